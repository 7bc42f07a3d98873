//! The other operations of a model, at the sizes of the paper's language model.

mod adamw;
mod cross_entropy;
mod embedding;
mod layer_norm;
mod linear;
mod op;
mod part;

pub(in crate::bench) use op::Op;
pub(super) use op::all;
