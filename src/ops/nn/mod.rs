//! What surrounds AFT in a network.

pub mod layer_norm;
pub mod linear;

use crate::gpu::{Kernel, Placement, Variant};

/// Lanes that share a row, in the plans for processors and for GPUs.
pub(crate) const LANES: [u32; 2] = [1, 32];

/// Kernels of this room with each set of constants in use.
pub(crate) fn catalogue() -> Vec<(&'static Kernel, Variant)> {
    let mut all = Vec::new();
    for placement in [Placement::Buffer, Placement::Texture] {
        all.push((&super::gradient::SUM_SLICES, Variant::plain(placement)));
        all.extend(layer_norm::catalogue(placement));
        all.extend(linear::catalogue(placement));
    }
    all
}
