//! What AFT keeps of a stream of tokens (`shaders/lib/aft_stream.wgsl`), and how its kernels are planned.

use crate::error::{Error, Result, expect_count, expect_shape};
use crate::gpu::{Buffer, Kernel, Placement, Plane, Specialization, Tuning};
use crate::ops::Builder;
use crate::ops::aft::qkv_cols;

/// Bytes of the sums of N sequences of D channels: [N, 5, D4] vec4s.
pub fn sums_bytes(sequences: u32, channels: u32) -> u64 {
    (80 * u64::from(sequences)).saturating_mul(channels.div_ceil(4).into())
}

/// Fails unless a pass of `chunk` tokens of each sequence fits its planes and the sums.
pub(crate) fn check(op: &str, sequences: u32, chunk: u32, qkv: &Plane, sums: &Buffer, y: &Plane) -> Result<()> {
    expect_count(&format!("{op}: y"), "rows", u64::from(sequences) * u64::from(chunk), y.rows.into())?;
    expect_shape(&format!("{op}: qkv"), (y.rows, qkv_cols(y.cols)), (qkv.rows, qkv.cols))?;
    let needed = sums_bytes(sequences, y.cols);
    if sums.size() >= needed {
        return Ok(());
    }
    Err(Error::shape(format!("{op}: sums"), format!("at least {needed} bytes"), sums.size()))
}

fn variant(placement: Placement, group: u32) -> Specialization {
    Specialization::new(placement).with("STREAM_GROUP", group)
}

/// Workgroups of a kernel with a thread for each sequence and vec4 of channels, and its variant.
pub(crate) fn grid(b: &Builder, sequences: u32, width: u32) -> (Specialization, u64) {
    let group = b.tuning().stream_threads;
    (variant(b.placement, group), (u64::from(sequences) * u64::from(width)).div_ceil(group.into()))
}

/// The variants of a kernel with such a grid.
pub(crate) fn variants(kernel: &'static Kernel, placement: Placement) -> [(&'static Kernel, Specialization); 2] {
    Tuning::ALL.map(|tuning| (kernel, variant(placement, tuning.stream_threads)))
}
