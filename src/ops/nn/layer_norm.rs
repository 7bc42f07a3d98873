//! Layer normalisation and its gradients (`shaders/nn/layer_norm*.wgsl`).

use crate::error::{Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, Weights, kernel};
use crate::ops::trips::LANES;
use crate::ops::{Builder, Gradient, trips};

const ROW_GROUP: u32 = 64;

/// Most slices of rows in the gradients of gamma and beta; one thread sums over the slices.
const MAX_SLICES: u32 = 4096;

kernel! {
    /// `shaders/nn/layer_norm.wgsl`.
    struct ForwardKernel = "nn/layer_norm", "forward";
    fragments: ["grid", "row_sum"],
    params: { rows: u32, cols: u32, eps: f32 },
    operands: {
        read x: &'a Plane = "[M, D]",
        read gamma: &'a Weights = "[D]",
        read beta: &'a Weights = "[D]",
        write y: &'a Plane = "[M, D]",
        write stats: Array<'a, [f32; 2]> = "[M] (mean, rstd)",
    },
}

kernel! {
    /// `shaders/nn/layer_norm_grad.wgsl`.
    struct GradientKernel = "nn/layer_norm_grad", "gradient";
    fragments: ["grid", "run_time", "row_sum"],
    params: { rows: u32, cols: u32 },
    operands: {
        read x: &'a Plane = "[M, D]",
        read dy: &'a Plane = "[M, D]",
        read skip: Option<&'a Plane> = "[M, D]",
        read gamma: &'a Weights = "[D]",
        read stats: Array<'a, [f32; 2]> = "[M] (mean, rstd)",
        write dx: &'a Plane = "[M, D]",
    },
}

kernel! {
    /// `shaders/nn/layer_norm_grad_affine.wgsl`.
    struct GradientAffineKernel = "nn/layer_norm_grad_affine", "gradient_affine";
    fragments: ["grid", "run_time"],
    params: {
        rows: u32, rows_per_slice: u32, slices: u32, width: u32, slice_stride: u32, beta_offset: u32,
        accumulate: u32,
    },
    operands: {
        read x: &'a Plane = "[M, D]",
        read dy: &'a Plane = "[M, D]",
        read stats: Array<'a, [f32; 2]> = "[M] (mean, rstd)",
        write out: Array<'a, [f32; 4]> = "[S, dgamma D, dbeta D]",
    },
}

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
    /// Gradient of x from a skip connection [M, D], added to dx.
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

/// Adds y = gamma (x - mean) rstd + beta. About 10 flops and 8 bytes an element. Accurate for |x| up to 1e30.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit x; [`crate::Error::LimitExceeded`] above 1,364,480 channels.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { x, gamma, beta, eps, y, stats } = *args;
    expect_shape("layer_norm: y", (x.rows, x.cols), (y.rows, y.cols))?;
    expect_shape("layer_norm: columns of gamma and beta", [x.cols; 2], [gamma.cols, beta.cols])?;
    let call = ForwardKernel { rows: x.rows, cols: x.cols, eps, x, gamma, beta, y, stats: stats.into() };
    // Passes over a row: mean, variance, y.
    let (variant, groups) = plan(b, x, 3)?;
    b.run(&call, &variant, groups, cost(x, 10.0, 2.0))?;
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
    let call = GradientKernel { rows: x.rows, cols: x.cols, x, dy, skip, gamma, stats: stats.into(), dx };
    // Passes over a row: means, dx.
    let (variant, groups) = plan(b, x, 2)?;
    b.run(&call, &variant, groups, cost(x, 14.0, 4.0))?;
    affine_gradient(b, args, affine)
}

fn affine_gradient(b: &mut Builder, args: &Backward<'_>, affine: &Gradient) -> Result<()> {
    let Backward { x, dy, stats, .. } = *args;
    let rows_per_slice = rows_per_slice(b.tuning().norm_rows, x.rows);
    let slices = x.rows.div_ceil(rows_per_slice);
    // A slice's rows and its blocks of 64; then the sum over slices.
    let trips = rows_per_slice + rows_per_slice.div_ceil(64);
    trips::check("layer_norm: gradients of gamma and beta", trips.max(slices).into())?;
    let out = affine.slices(b, slices)?;
    let call = GradientAffineKernel {
        rows: x.rows,
        rows_per_slice,
        slices: out.slices,
        width: x.stride(),
        slice_stride: out.stride,
        beta_offset: out.second_offset,
        accumulate: out.accumulate,
        x,
        dy,
        stats: stats.into(),
        out: out.array(),
    };
    let groups = (u64::from(out.slices) * u64::from(x.stride())).div_ceil(64);
    let variant = Specialization::new(b.placement);
    b.run(&call, &variant, groups, cost(x, 6.0, 2.0))?;
    out.finish(b)
}

/// Specialization and workgroups: few lanes a row on CPUs, many on GPUs for coalesced loads.
fn plan(b: &Builder, x: &Plane, passes: u64) -> Result<(Specialization, u64)> {
    // The passes over a row, and the sums over lanes.
    let trips = |lanes| passes * u64::from(x.stride()).div_ceil(lanes) + 18;
    let lanes = trips::lanes(b.tuning().shared_rows, "layer_norm", &LANES, trips)?;
    let variant = b.special().with("LANES", lanes);
    Ok((variant, (u64::from(x.rows) * u64::from(lanes)).div_ceil(ROW_GROUP.into())))
}

/// Rows that a thread sums: as planned, or more if there would be too many slices.
fn rows_per_slice(planned: u32, rows: u32) -> u32 {
    planned.max(rows.div_ceil(MAX_SLICES).next_multiple_of(64))
}

fn cost(x: &Plane, flops: f64, planes: f64) -> Cost {
    let elements = f64::from(x.rows) * f64::from(x.cols);
    Cost { flops: flops * elements, bytes: 4.0 * planes * elements }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let mut all = vec![(GradientAffineKernel::KERNEL, Specialization::new(placement))];
    for lanes in LANES {
        let variant = Specialization::new(placement).with("LANES", lanes);
        all.extend([(ForwardKernel::KERNEL, variant.clone()), (GradientKernel::KERNEL, variant)]);
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
