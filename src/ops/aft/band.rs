//! The factorised position bias within a causal window, and its gradients (`shaders/aft/band*.wgsl`).
//!
//! A band lies in blocks of 4 x 4, so that four rows and four keys, the tile of every kernel that reads it, are four vec4s:
//! vec4 `age` of row t holds the biases of the keys 4 (t/4 - age) .. + 3 ([`index`]).

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, Weights, params};
use crate::ops::Builder;

params! {
    /// As in `shaders/aft/band.wgsl`.
    ForwardParams {
        time: u32, rank: u32, ages: u32, window: u32, u_base: u32, v_base: u32, band_stride: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/band",
    entry: "band",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_window.wgsl"),
        include_str!("../../../shaders/aft/band.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::weights("u", "[T, R]"),
        Operand::weights("v", "[T, R]"),
        Operand::plane_out("band", "[T, ages]"),
    ],
};

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// The window s, at least 1.
    pub window: u32,
    /// Factor of the rows [T, R].
    pub u: &'a Weights,
    /// Factor of the keys [T, R].
    pub v: &'a Weights,
    /// Output [T, [`cols`]].
    pub band: &'a Plane,
}

/// vec4s in a row of a band for `time` positions and a window of `window`.
fn ages(time: u32, window: u32) -> u32 {
    let window = window.clamp(1, time.max(1));
    ((window + 2) / 4 + 1).min(time.div_ceil(4).max(1))
}

/// Columns of a band's plane for `time` positions and a window of `window`.
pub fn cols(time: u32, window: u32) -> u32 {
    4 * ages(time, window)
}

/// Where the bias of key `key` lies in row `t` of a band; the key is in the window of the row.
pub fn index(t: u32, key: u32) -> u32 {
    4 * (t / 4 - key / 4) + key % 4
}

/// Adds w_tt' = sum over r of u_tr v_t'r (Eq. 7) for t - s < t' <= t. 2 R flops an entry.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit u.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { window, u, v, band } = *args;
    let (time, rank) = (u.rows, u.cols);
    expect_shape("aft band: v", (time, rank), (v.rows, v.cols))?;
    expect_shape("aft band: band", (time, cols(time, window)), (band.rows, band.cols))?;
    let ages = ages(time, window);
    let params = ForwardParams {
        time,
        rank,
        ages,
        window: window.min(time),
        u_base: u.base(),
        v_base: v.base(),
        band_stride: band.stride(),
    };
    let blocks = u64::from(time.div_ceil(4)) * u64::from(ages);
    let binds = [Bind::Weights(u), Bind::Weights(v), Bind::Plane(band)];
    let variant = Variant::plain(b.placement);
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, blocks.div_ceil(64), cost(blocks, rank))?;
    b.program.dispatch(dispatch);
    Ok(())
}

/// Of 16 products of `rank` terms a block.
fn cost(blocks: u64, rank: u32) -> Cost {
    let products = blocks as f64 * f64::from(rank);
    Cost { flops: 32.0 * products, bytes: 32.0 * products + 64.0 * blocks as f64 }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&FORWARD, Variant::plain(placement))]
}
