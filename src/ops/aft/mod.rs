//! The Attention Free Transformer's own operations. Queries, keys and values come as one plane.

pub mod biases;
pub mod dense;
mod factors;
mod grid;
mod grid_rest;
pub mod heads;
pub mod kernel_norm;
pub mod local_stream;
pub mod mix;
mod pairs;
mod pairs_grad_bias;
mod panels;
mod rest;
mod simple;
pub mod simple_stream;
pub mod stream;
mod strips;
pub mod taps;

use crate::error::Result;
use crate::gpu::{Kernel, Placement, Specialization};
use crate::ops::Builder;

/// Columns of a plane `qkv` or `dqkv` [B T, 3 D4] of `channels` channels, where D4 is `channels` in whole vec4s: q from
/// column 0, k from D4, v from 2 D4, each padded with zeros.
pub fn qkv_cols(channels: u32) -> u32 {
    12 * channels.div_ceil(4)
}

/// Fails where no plan serves B sequences of T positions and `channels` channels, whose rows see `reach` keys through biases
/// (none, those of a window, or all), if they are causal; nothing is made.
///
/// # Errors
/// [`crate::Error::LimitExceeded`] with the numbers.
pub fn check(b: &Builder, batch: u32, time: u32, channels: u32, reach: u32) -> Result<()> {
    strips::Strips::of(b, batch, time, channels.div_ceil(4))?;
    pairs::check(reach, time)
}

/// Kernels of this room with each set of constants in use.
pub(crate) fn catalogue() -> Vec<(&'static Kernel, Specialization)> {
    let mut all = Vec::new();
    for placement in [Placement::Buffer, Placement::Texture] {
        all.extend(simple_stream::catalogue(placement));
        all.extend(local_stream::catalogue(placement));
        all.extend(mix::catalogue(placement));
        all.extend(simple::catalogue(placement));
        all.extend(rest::catalogue(placement));
        all.extend(pairs::catalogue(placement));
        all.extend(pairs_grad_bias::catalogue(placement));
        all.extend(factors::catalogue(placement));
        all.extend(dense::catalogue(placement));
        all.extend(grid::catalogue(placement));
        all.extend(grid_rest::catalogue(placement));
        all.extend(taps::catalogue(placement));
        all.extend(kernel_norm::catalogue(placement));
        all.extend(heads::catalogue(placement));
    }
    all
}
