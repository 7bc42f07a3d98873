//! Operations of a network other than AFT.

pub mod adamw;
pub mod attention;
mod attention_grad;
mod attention_heads;
mod attention_operands;
pub mod attention_stream;
mod attention_walk;
pub mod batch;
pub mod cross_entropy;
pub mod cursor;
pub mod dropout;
pub mod embedding;
pub mod gradient_norm;
pub mod layer_norm;
pub mod linear;
mod product;
pub mod sample;
pub mod stream_embedding;
pub mod train_state;

use crate::gpu::{Call, Kernel, Placement, Specialization};

/// Kernels of this module with every set of constants in use.
pub(crate) fn catalogue() -> Vec<(&'static Kernel, Specialization)> {
    let mut all = Vec::new();
    for placement in [Placement::Buffer, Placement::Texture] {
        all.push((super::gradient::SumSlicesKernel::KERNEL, Specialization::new(placement)));
        all.extend(adamw::catalogue(placement));
        all.extend(attention::catalogue(placement));
        all.extend(attention_stream::catalogue(placement));
        all.extend(cross_entropy::catalogue(placement));
        all.extend(cursor::catalogue(placement));
        all.extend(dropout::catalogue(placement));
        all.extend(embedding::catalogue(placement));
        all.extend(gradient_norm::catalogue(placement));
        all.extend(layer_norm::catalogue(placement));
        all.extend(linear::catalogue(placement));
        all.extend(sample::catalogue(placement));
        all.extend(stream_embedding::catalogue(placement));
        all.extend(train_state::catalogue(placement));
    }
    all
}
