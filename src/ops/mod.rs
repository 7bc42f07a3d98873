//! Operations: one file a shader stem, forward and gradient together, in the order in which the shader reads. An operation
//! checks shapes, plans, and adds its dispatches to a [`Builder`]'s program; nothing is submitted.

pub mod aft;
mod builder;
mod gradient;
pub mod nn;
mod trips;

pub use builder::Builder;
pub use gradient::Gradient;
