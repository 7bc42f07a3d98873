//! The factorised position bias within a causal window, and its gradients (`shaders/aft/band*.wgsl`).
//!
//! A band lies in blocks of 4 x 4, so that four rows and four keys, the tile of every kernel that reads it, are four vec4s:
//! vec4 `age` of row t holds the biases of the keys 4 (t/4 - age) .. + 3 ([`index`]).

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, Weights, params};
use crate::ops::{Builder, Gradient, trips};

params! {
    /// As in `shaders/aft/band.wgsl`.
    ForwardParams {
        time: u32, rank: u32, ages: u32, window: u32, u_base: u32, v_base: u32, band_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/band_grad.wgsl`.
    GradientParams {
        time: u32, rank: u32, ages: u32, transposed: u32, accumulate: u32, dband_stride: u32, factor_base: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/band",
    entry: "forward",
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

static GRADIENT: Kernel = Kernel {
    stem: "aft/band_grad",
    entry: "gradient",
    source: &[include_str!("../../../shaders/lib/grid.wgsl"), include_str!("../../../shaders/aft/band_grad.wgsl")],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("dband", "[T, ages]"),
        Operand::weights("factor", "[T, R]"),
        Operand::array_out("out", "vec4<f32>", "[T, R]"),
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

/// Operands of the gradient.
pub struct Backward<'a> {
    /// Factor of the rows [T, R].
    pub u: &'a Weights,
    /// Factor of the keys [T, R].
    pub v: &'a Weights,
    /// Gradient of the band [T, [`cols`]].
    pub dband: &'a Plane,
    /// Output: gradients of u and, as the second tensor, v [T, R] each.
    pub factors: &'a Gradient,
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
/// [`crate::Error::Shape`] if an operand does not fit u; [`crate::Error::LimitExceeded`] for a rank past 127,984.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { window, u, v, band } = *args;
    let (time, rank) = (u.rows, u.cols);
    expect_shape("aft band: v", (time, rank), (v.rows, v.cols))?;
    expect_shape("aft band: band", (time, cols(time, window)), (band.rows, band.cols))?;
    // A trip for four ranks, and four to store the rows.
    trips::check("aft band: a sum over the ranks", u64::from(u.stride()) + 4)?;
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

/// Adds the gradients of both factors. 4 R flops an entry.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit u; [`crate::Error::LimitExceeded`] for a window past about 126,000.
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { u, v, dband, factors } = *args;
    expect_shape("aft band: v", (u.rows, u.cols), (v.rows, v.cols))?;
    expect_shape("aft band: rows of dband", u.rows, dband.rows)?;
    let lens = (factors.first_len, factors.second_len);
    expect_shape(
        "aft band: gradients of u and v",
        [u, v].map(|w| w.size_bytes() / 16).into(),
        (lens.0.into(), lens.1.into()),
    )?;
    // A trip a block and one for each span of 64, and four to store the rows.
    let blocks = u64::from(dband.stride());
    trips::check("aft band: a sum over the window", blocks + blocks.div_ceil(64) + 4)?;
    for (transposed, factor, offset) in [(0, v, 0), (1, u, factors.second_offset)] {
        let params = GradientParams {
            time: u.rows,
            rank: u.cols,
            ages: dband.stride(),
            transposed,
            accumulate: u32::from(factors.accumulate),
            dband_stride: dband.stride(),
            factor_base: factor.base(),
        };
        let out = Bind::Slice(&factors.page, factors.offset_bytes + 16 * u64::from(offset), factor.size_bytes());
        let tiles = u64::from(u.rows.div_ceil(4));
        let groups = (tiles * u64::from(u.stride())).div_ceil(64);
        let binds = [Bind::Plane(dband), Bind::Weights(factor), out];
        let cost = cost(tiles * u64::from(dband.stride()), u.cols);
        let dispatch = b.gpu.dispatch(&GRADIENT, &Variant::plain(b.placement), &params, &binds, groups, cost)?;
        b.program.dispatch(dispatch);
    }
    Ok(())
}

/// Of 16 products of `rank` terms a block.
fn cost(blocks: u64, rank: u32) -> Cost {
    let products = blocks as f64 * f64::from(rank);
    Cost { flops: 32.0 * products, bytes: 32.0 * products + 64.0 * blocks as f64 }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&FORWARD, Variant::plain(placement)), (&GRADIENT, Variant::plain(placement))]
}
