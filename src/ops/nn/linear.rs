//! A linear layer and its gradients (`shaders/nn/linear*.wgsl`): one matrix product each, with bias, GELU and residual
//! fused into the store.

use crate::error::{Result, expect_count, expect_shape};
use crate::gpu::{Array, Call, Kernel, Placement, Plane, Product, Specialization, Weights, kernel};
use crate::ops::{Builder, Gradient};

kernel! {
    /// `shaders/nn/linear.wgsl`.
    struct ForwardKernel = "nn/linear", "forward";
    fragments: ["grid", "run_time", "gelu"],
    params: { rows: u32, inner: u32, cols: u32 },
    operands: {
        read x: &'a Plane = "[M, K]",
        read w: &'a Weights = "[K, N]",
        read bias: Option<&'a Weights> = "[N]",
        read residual: Option<&'a Plane> = "[M, N]",
        write y: &'a Plane = "[M, N]",
        write pre: Option<&'a Plane> = "[M, N]",
    },
}

kernel! {
    /// `shaders/nn/linear_grad_x.wgsl`.
    struct GradientXKernel = "nn/linear_grad_x", "gradient_x";
    fragments: ["grid", "run_time", "gelu"],
    params: {
        rows: u32,
        /// N.
        inner: u32,
        /// K.
        cols: u32,
    },
    operands: {
        read dy: &'a Plane = "[M, N]",
        read w: &'a Weights = "[K, N]",
        read pre: Option<&'a Plane> = "[M, K]",
        read skip: Option<&'a Plane> = "[M, K]",
        write dx: &'a Plane = "[M, K]",
    },
}

kernel! {
    /// `shaders/nn/linear_grad_w.wgsl`.
    struct GradientWKernel = "nn/linear_grad_w", "gradient_w";
    fragments: ["grid", "run_time"],
    params: {
        /// K, padded to a multiple of 4.
        rows: u32,
        /// M.
        inner: u32,
        /// N.
        cols: u32,
        /// A multiple of 4.
        inner_per_slice: u32,
        slices: u32, slice_stride: u32, bias_offset: u32, accumulate: u32,
    },
    operands: {
        read x: &'a Plane = "[M, K]",
        read dy: &'a Plane = "[M, N]",
        write out: Array<'a, [f32; 4]> = "[S, dW K x N, dbias N]",
    },
}

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// Input [M, K].
    pub x: &'a Plane,
    /// Weight [K, N].
    pub w: &'a Weights,
    /// Bias `[N]`.
    pub bias: Option<&'a Weights>,
    /// Added to the output after the activation [M, N].
    pub residual: Option<&'a Plane>,
    /// Output [M, N].
    pub y: &'a Plane,
    /// Output for the gradient: the value before the GELU [M, N]. None: no activation.
    pub pre: Option<&'a Plane>,
}

/// Operands of the gradient.
pub struct Backward<'a> {
    /// The forward pass's input [M, K].
    pub x: &'a Plane,
    /// Weight [K, N].
    pub w: &'a Weights,
    /// Gradient of the value before the activation [M, N].
    pub dy: &'a Plane,
    /// If x is the GELU of another layer's value: that value [M, K], whose gradient dx then is.
    pub pre: Option<&'a Plane>,
    /// Gradient of x from a skip connection [M, K], added to dx.
    pub skip: Option<&'a Plane>,
    /// Output: gradient of x [M, K].
    pub dx: Option<&'a Plane>,
    /// Output: gradients of the weight [K, N] and, if the layer has one, of the bias `[N]`.
    pub parameters: &'a Gradient,
}

/// Adds y = act(x W + bias) + residual. 2 M K N flops.
///
/// # Errors
/// [`crate::Error::Shape`] if the operands do not fit each other; [`crate::Error::LimitExceeded`] above 128,000 inputs
/// on CPUs, 85,312 on GPUs.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { x, w, bias, residual, y, pre } = *args;
    expect_shape("linear: weight [K, N]", (x.cols, y.cols), (w.rows, w.cols))?;
    expect_count("linear: y", "rows", x.rows, y.rows)?;
    for (name, plane) in [("linear: residual", residual), ("linear: pre", pre)] {
        let shape = plane.map_or((y.rows, y.cols), |p| (p.rows, p.cols));
        expect_shape(name, (y.rows, y.cols), shape)?;
    }
    expect_count("linear: bias", "columns", y.cols, bias.map_or(y.cols, |v| v.cols))?;
    let call = ForwardKernel { rows: x.rows, inner: x.cols, cols: y.cols, x, w, bias, residual, y, pre };
    b.tuning().product.run(b, &call, false, [x.rows, x.cols, y.cols], 1)
}

/// Adds the gradients of the input (if `dx` is given) and of the parameters. 4 M K N flops.
///
/// # Errors
/// As [`forward`], with the same limit for outputs.
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { x, w, dy, .. } = *args;
    expect_shape("linear: weight [K, N]", (x.cols, dy.cols), (w.rows, w.cols))?;
    expect_count("linear: dy", "rows", x.rows, dy.rows)?;
    if let Some(dx) = args.dx {
        expect_shape("linear: dx", (x.rows, x.cols), (dx.rows, dx.cols))?;
        gradient_x(b, args, dx)?;
    }
    gradient_w(b, args)
}

fn gradient_x(b: &mut Builder, args: &Backward<'_>, dx: &Plane) -> Result<()> {
    let Backward { w, dy, pre, skip, .. } = *args;
    let call = GradientXKernel { rows: dy.rows, inner: dy.cols, cols: dx.cols, dy, w, pre, skip, dx };
    b.tuning().product.run(b, &call, false, [dy.rows, dy.cols, dx.cols], 1)
}

fn gradient_w(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { x, w, dy, parameters, .. } = *args;
    let product = b.tuning().product;
    let inner_per_slice = product.inner_per_slice([w.rows, x.rows, w.cols]);
    let slices = x.rows.div_ceil(inner_per_slice);
    let out = parameters.slices(b, slices)?;
    let call = GradientWKernel {
        rows: w.padded_rows(),
        inner: x.rows,
        cols: w.cols,
        inner_per_slice,
        slices: out.slices,
        slice_stride: out.stride,
        bias_offset: out.second_offset,
        accumulate: out.accumulate,
        x,
        dy,
        out: out.array(),
    };
    let sums = parameters.second_len > 0;
    product.run(b, &call, sums, [w.padded_rows(), x.rows, w.cols], out.slices)?;
    out.finish(b)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    // Rare and costly options are constants. The others are flags in `params`, which keep the number of pipelines
    // small.
    let all = [
        (ForwardKernel::KERNEL, false),
        (GradientXKernel::KERNEL, false),
        (GradientWKernel::KERNEL, false),
        (GradientWKernel::KERNEL, true),
    ];
    let bodies =
        |(kernel, sums)| Product::ALL.map(|product| (kernel, product.special(placement).with("COLUMN_SUMS", sums)));
    all.into_iter().flat_map(bodies).collect()
}
