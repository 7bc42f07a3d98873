//! The other operations of a model, each at a shape or two against its reference. Tolerances are those of the kernel tests, with what
//! the adapter's exponential adds where there is one.

mod adamw;
pub(super) mod attention;
mod compare;
mod cross_entropy;
mod cursor;
mod dropout;
mod embedding;
mod gradient_norm;
mod kernel_norm;
mod layer_norm;
mod linear;
mod op;
mod sample;
mod stream_embedding;
mod train_state;

pub(crate) use compare::{EPS, largest, verdict, whole, wide};
pub(super) use op::OPS;
