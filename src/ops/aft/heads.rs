//! Queries, keys and values of AFT-conv, whose keys belong to heads, from its projection (`shaders/aft/heads*.wgsl`).

use crate::error::{Error, Result, expect_count, expect_shape};
use crate::gpu::{Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::qkv_cols;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/heads.wgsl`.
    struct SpreadKernel = "aft/heads", "spread";
    fragments: ["grid"],
    params: { rows: u32, cols: u32, width: u32, head_channels: u32 },
    operands: {
        read x: &'a Plane = "[B T, 2 D + H]",
        write qkv: &'a Plane = "[B T, 3 D]",
    },
}

kernel! {
    /// `shaders/aft/heads_grad.wgsl`.
    struct GatherKernel = "aft/heads_grad", "gather";
    fragments: ["grid"],
    params: { rows: u32, width: u32, heads: u32, head_channels: u32 },
    operands: {
        read dqkv: &'a Plane = "[B T, 3 D]",
        write dx: &'a Plane = "[B T, 2 D + H]",
    },
}

/// Columns of a projection for `channels` channels and `heads` heads: q from column 0, v from D4, k from 2 D4, where D4 is
/// `channels` in whole vec4s.
pub fn cols(channels: u32, heads: u32) -> u32 {
    8 * channels.div_ceil(4) + heads
}

fn check(channels: u32, heads: u32, x: &Plane, qkv: &Plane) -> Result<()> {
    if heads == 0 || !channels.is_multiple_of(heads) {
        return Err(Error::Config(format!("aft heads: H = {heads} heads do not divide D = {channels} channels")));
    }
    expect_shape("aft heads: projection", (qkv.rows, cols(channels, heads)), (x.rows, x.cols))?;
    expect_count("aft heads: qkv", "columns", qkv_cols(channels), qkv.cols)?;
    trips::check(
        "aft heads: the channels of four heads",
        4 * (u64::from(channels / heads) + u64::from((channels / heads).div_ceil(64))) + 8,
    )
}

/// Adds the plane qkv [B T, 3 D4] of a projection x [B T, [`cols`]].
///
/// # Errors
/// [`Error::Config`], [`Error::Shape`] if the operands do not fit; [`Error::LimitExceeded`] past 8,000 channels of a head.
pub fn spread(b: &mut Builder, channels: u32, heads: u32, x: &Plane, qkv: &Plane) -> Result<()> {
    check(channels, heads, x, qkv)?;
    let width = qkv.stride() / 3;
    let threads = u64::from(qkv.rows) * u64::from(width);
    let cost = Cost { flops: 16.0 * threads as f64, bytes: 128.0 * threads as f64 };
    let call = SpreadKernel { rows: qkv.rows, cols: channels, width, head_channels: channels / heads, x, qkv };
    b.run(&call, &b.special(), threads.div_ceil(64), cost)?;
    Ok(())
}

/// Adds the gradient of the projection from that of the plane qkv.
///
/// # Errors
/// As [`spread`].
pub fn gather(b: &mut Builder, channels: u32, heads: u32, dqkv: &Plane, dx: &Plane) -> Result<()> {
    check(channels, heads, dx, dqkv)?;
    let width = dqkv.stride() / 3;
    let threads = u64::from(dqkv.rows) * u64::from(2 * width + heads.div_ceil(4));
    let elements = f64::from(dqkv.rows) * f64::from(channels);
    let cost = Cost { flops: elements, bytes: 24.0 * elements };
    let call = GatherKernel { rows: dqkv.rows, width, heads, head_channels: channels / heads, dqkv, dx };
    b.run(&call, &b.special(), threads.div_ceil(64), cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(SpreadKernel::KERNEL, Specialization::new(placement)), (GatherKernel::KERNEL, Specialization::new(placement))]
}
