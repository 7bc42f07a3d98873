//! Layers: each declares its parameters, adds its forward pass to a builder and keeps what its backward pass needs.
//!
//! Which layer a model is made of is a field of its configuration ([`crate::models::language`] has an example). A layer on a
//! program's own device, without a model around it, is `examples/borrowed_device.rs`.

mod aft;
mod attention;
pub(crate) mod block;
mod context;
pub(crate) mod layer_norm;
mod linear;
mod mlp;
mod parameters;

pub use aft::{Aft, AftConfig, AftStream, Variant, Window};
pub use attention::Attention;
pub use block::{Block, BlockConfig, BlockStream};
pub use context::{Dropout, Pass};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use mlp::Mlp;
pub use parameters::{Declarations, Init, ParameterId, ParameterPage, Parameters, Spec};
