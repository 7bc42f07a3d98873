//! Checks of the other operations of a model, each in one or two shapes. Tolerances are those of the kernel tests, plus the error
//! of the adapter's exponential if it is used.

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
