//! Operations: one file per shader stem, forward and gradient together. An operation checks shapes, plans, and adds its
//! dispatches to a [`Builder`]'s program; it submits nothing.

pub mod aft;
mod builder;
mod gradient;
pub mod nn;
mod trips;

pub use builder::Builder;
pub use gradient::Gradient;
