//! Layers. A layer declares its parameters, adds its forward pass to a builder and saves values for its backward pass.
//!
//! A model's configuration selects its layers ([`crate::models::language`] has an example).
//! `examples/borrowed_device.rs` runs a single layer on a program's own device.

mod aft;
mod attention;
pub(crate) mod block;
mod context;
pub(crate) mod layer_norm;
mod linear;
mod mixer;
mod mlp;
mod parameters;

pub use aft::{Aft, AftConfig, AftStream, Window};
pub use attention::Attention;
pub use block::{Block, BlockConfig, BlockStream};
pub use context::{Dropout, Pass};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use mixer::Mixer;
pub use mlp::Mlp;
pub use parameters::{Declarations, Init, ParameterId, ParameterPage, Parameters, Spec};
