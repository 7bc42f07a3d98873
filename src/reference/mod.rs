//! The reference: every operation in f64, as plain loops that follow the paper.
//!
//! Each file states its formula and source. `forward` and `gradient` are plain functions on row-major, unpadded slices;
//! the forms of AFT share those of [`aft::mix`]. Clarity comes before speed, but no sum of exponentials overflows:
//! exponents are relative to their maximum. Lengths are checked by `debug_assert_eq!`; an index out of range panics.
//!
//! AFT-simple over equal keys is a running mean:
//!
//! ```
//! use aft_wgpu::reference::Dims;
//! use aft_wgpu::reference::aft::{Inputs, mix, simple::NoBias};
//!
//! let (k, v) = ([0.0; 3], [1.0, 3.0, 5.0]);
//! let inputs = Inputs::new(Dims { b: 1, t: 3, d: 1 }, /* causal */ true, /* q */ None, &k, &v);
//! assert_eq!(mix::forward(&inputs, &NoBias, &[]).y, [1.0, 2.0, 3.0]);
//! ```
//!
//! * [`aft`]: the Attention Free Transformer of Zhai et al., 2021 (arXiv 2105.14103); equation numbers are that paper's.
//! * [`nn`]: the layers around it, their loss and their optimizer.
//! * [`compare`]: compares f32 results with this reference.
pub mod aft;
pub mod compare;
#[cfg(test)]
mod differences;
pub mod nn;

/// The shape `[B, T, D]` of an activation: batch, time, channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Sequences in the batch, B.
    pub b: usize,
    /// Positions in a sequence, T.
    pub t: usize,
    /// Channels of a position, D.
    pub d: usize,
}

impl Dims {
    /// Number of elements, B T D.
    pub fn size(self) -> usize {
        self.b * self.t * self.d
    }

    /// Index of element `[b, t, d]` in a row-major slice.
    pub fn at(self, b: usize, t: usize, d: usize) -> usize {
        (b * self.t + t) * self.d + d
    }

    /// All (b, d): the sequences of scalars that AFT mixes over time independently.
    pub(crate) fn sequences(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.b).flat_map(move |b| (0..self.d).map(move |d| (b, d)))
    }
}
