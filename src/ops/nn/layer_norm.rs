//! Layer normalisation and its gradients (`shaders/nn/layer_norm*.wgsl`).

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, Weights, params};
use crate::ops::nn::LANES;
use crate::ops::{Builder, Gradient, trips};

const ROW_GROUP: u32 = 64;

/// Slices of rows in the gradients of gamma and beta, which one thread adds up.
const MAX_SLICES: u32 = 4096;

params! {
    /// As in `shaders/nn/layer_norm.wgsl`.
    ForwardParams { rows: u32, cols: u32, x_stride: u32, y_stride: u32, gamma_base: u32, beta_base: u32, eps: f32 }
}

params! {
    /// As in `shaders/nn/layer_norm_grad.wgsl`.
    GradientParams {
        rows: u32, cols: u32, x_stride: u32, dy_stride: u32, skip_stride: u32, dx_stride: u32, gamma_base: u32, has_skip: u32,
    }
}

params! {
    /// As in `shaders/nn/layer_norm_grad_affine.wgsl`.
    AffineParams {
        rows: u32, rows_per_slice: u32, slices: u32, width: u32, x_stride: u32, dy_stride: u32, slice_stride: u32,
        beta_offset: u32, accumulate: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "nn/layer_norm",
    entry: "forward",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/nn/layer_norm.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::plane("x", "[M, D]"),
        Operand::weights("gamma", "[D]"),
        Operand::weights("beta", "[D]"),
        Operand::plane_out("y", "[M, D]"),
        Operand::array_out("stats", "vec2<f32>", "[M] (mean, rstd)"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "nn/layer_norm_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/nn/layer_norm_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("x", "[M, D]"),
        Operand::plane("dy", "[M, D]"),
        Operand::plane("skip", "[M, D]"),
        Operand::weights("gamma", "[D]"),
        Operand::array("stats", "vec2<f32>", "[M] (mean, rstd)"),
        Operand::plane_out("dx", "[M, D]"),
    ],
};

static GRADIENT_AFFINE: Kernel = Kernel {
    stem: "nn/layer_norm_grad_affine",
    entry: "gradient_affine",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/nn/layer_norm_grad_affine.wgsl"),
    ],
    params: AffineParams::FIELDS,
    operands: &[
        Operand::plane("x", "[M, D]"),
        Operand::plane("dy", "[M, D]"),
        Operand::array("stats", "vec2<f32>", "[M] (mean, rstd)"),
        Operand::array_out("out", "vec4<f32>", "[S, dgamma D, dbeta D]"),
    ],
};

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// Input [M, D].
    pub x: &'a Plane,
    /// Scale `[D]`.
    pub gamma: &'a Weights,
    /// Shift `[D]`.
    pub beta: &'a Weights,
    /// Added to the variance.
    pub eps: f32,
    /// Output [M, D].
    pub y: &'a Plane,
    /// Output for the gradient: mean and reciprocal standard deviation of each row, [M, 2] floats.
    pub stats: &'a Buffer,
}

/// Operands of the gradient.
pub struct Backward<'a> {
    /// The forward pass's input [M, D].
    pub x: &'a Plane,
    /// Gradient of the output [M, D].
    pub dy: &'a Plane,
    /// A gradient of x that flows past the layer [M, D], added to dx.
    pub skip: Option<&'a Plane>,
    /// Scale `[D]`.
    pub gamma: &'a Weights,
    /// The forward pass's statistics [M, 2].
    pub stats: &'a Buffer,
    /// Output: gradient of x [M, D].
    pub dx: &'a Plane,
    /// Output: gradients of gamma and beta `[D]` each.
    pub affine: &'a Gradient,
}

/// Bytes of the statistics of `rows` rows.
pub fn stats_bytes(rows: u32) -> u64 {
    8 * u64::from(rows)
}

/// Adds y = gamma (x - mean) rstd + beta. About 10 flops and 8 bytes an element. Exact for |x| up to 1e30.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit x; [`crate::Error::LimitExceeded`] past 1,364,480 channels.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { x, gamma, beta, eps, y, stats } = *args;
    expect_shape("layer_norm: y", (x.rows, x.cols), (y.rows, y.cols))?;
    expect_shape("layer_norm: gamma and beta", (x.cols, x.cols), (gamma.cols, beta.cols))?;
    let params = ForwardParams {
        rows: x.rows,
        cols: x.cols,
        x_stride: x.stride(),
        y_stride: y.stride(),
        gamma_base: gamma.base(),
        beta_base: beta.base(),
        eps,
    };
    let binds = [Bind::Plane(x), Bind::Weights(gamma), Bind::Weights(beta), Bind::Plane(y), Bind::Buffer(stats)];
    // The mean, the variance, y.
    let (variant, groups) = plan(b, x, 3)?;
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, groups, cost(x, 10.0, 2.0))?;
    b.program.dispatch(dispatch);
    Ok(())
}

/// Adds the gradients of x, gamma and beta.
///
/// # Errors
/// As [`forward`].
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { x, dy, skip, gamma, stats, dx, affine } = *args;
    expect_shape("layer_norm: dy", (x.rows, x.cols), (dy.rows, dy.cols))?;
    expect_shape("layer_norm: dx", (x.rows, x.cols), (dx.rows, dx.cols))?;
    let params = GradientParams {
        rows: x.rows,
        cols: x.cols,
        x_stride: x.stride(),
        dy_stride: dy.stride(),
        skip_stride: skip.map_or(0, Plane::stride),
        dx_stride: dx.stride(),
        gamma_base: gamma.base(),
        has_skip: u32::from(skip.is_some()),
    };
    let binds = [
        Bind::Plane(x),
        Bind::Plane(dy),
        skip.map_or(Bind::Absent, Bind::Plane),
        Bind::Weights(gamma),
        Bind::Buffer(stats),
        Bind::Plane(dx),
    ];
    // The means, dx.
    let (variant, groups) = plan(b, x, 2)?;
    let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, groups, cost(x, 14.0, 4.0))?;
    b.program.dispatch(dispatch);
    affine_gradient(b, args, affine)
}

fn affine_gradient(b: &mut Builder, args: &Backward<'_>, affine: &Gradient) -> Result<()> {
    let Backward { x, dy, stats, .. } = *args;
    let rows_per_slice = rows_per_slice(b.planned([1024, 64]), x.rows);
    let slices = x.rows.div_ceil(rows_per_slice);
    // A slice's rows and its blocks of 64; then the sum over slices.
    let trips = rows_per_slice + rows_per_slice.div_ceil(64);
    trips::check("layer_norm: gradients of gamma and beta", trips.max(slices).into())?;
    let out = affine.slices(b, slices)?;
    let params = AffineParams {
        rows: x.rows,
        rows_per_slice,
        slices: out.slices,
        width: x.stride(),
        x_stride: x.stride(),
        dy_stride: dy.stride(),
        slice_stride: out.stride,
        beta_offset: out.second_offset,
        accumulate: out.accumulate,
    };
    let binds = [Bind::Plane(x), Bind::Plane(dy), Bind::Buffer(stats), out.bind()];
    let groups = (u64::from(out.slices) * u64::from(x.stride())).div_ceil(64);
    let variant = Variant::plain(b.placement);
    let dispatch = b.gpu.dispatch(&GRADIENT_AFFINE, &variant, &params, &binds, groups, cost(x, 6.0, 2.0))?;
    b.program.dispatch(dispatch);
    out.finish(b)
}

/// Few lanes a row where threads are few, many where a row's loads should be neighbours.
fn plan(b: &Builder, x: &Plane, passes: u64) -> Result<(Variant, u64)> {
    // Each pass over a row, and the sums over lanes.
    let trips = |lanes| passes * u64::from(x.stride()).div_ceil(lanes) + 18;
    let lanes = trips::lanes(b.few_threads(), "layer_norm", &LANES, trips)?;
    let variant = Variant { placement: b.placement, constants: vec![("LANES", lanes)] };
    Ok((variant, (u64::from(x.rows) * u64::from(lanes)).div_ceil(ROW_GROUP.into())))
}

/// Rows that a thread sums: as planned, or more where that would leave too many slices.
fn rows_per_slice(planned: u32, rows: u32) -> u32 {
    planned.max(rows.div_ceil(MAX_SLICES).next_multiple_of(64))
}

fn cost(x: &Plane, flops: f64, planes: f64) -> Cost {
    let elements = f64::from(x.rows) * f64::from(x.cols);
    Cost { flops: flops * elements, bytes: 4.0 * planes * elements }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let mut all = vec![(&GRADIENT_AFFINE, Variant::plain(placement))];
    for lanes in LANES {
        let variant = Variant { placement, constants: vec![("LANES", lanes)] };
        all.extend([(&FORWARD, variant.clone()), (&GRADIENT, variant)]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_every_row_and_are_few() {
        for rows in [1, 64, 65, 262_144, 262_145, 4_000_000, 100_000_000] {
            for planned in [64, 1024] {
                let per_slice = rows_per_slice(planned, rows);
                let slices = rows.div_ceil(per_slice);
                assert!(per_slice >= planned && slices <= MAX_SLICES && per_slice < 32_000, "{rows}: {per_slice}");
            }
        }
        assert_eq!(rows_per_slice(64, 262_144), 64);
    }
}
