//! A linear layer and its gradients (`shaders/nn/linear*.wgsl`): one matrix product each, with bias, GELU and residual fused into
//! the store.

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, Weights, params};
use crate::ops::{Builder, Gradient, trips};

params! {
    /// As in `shaders/nn/linear.wgsl`.
    ForwardParams {
        rows: u32, inner: u32, cols: u32, x_stride: u32, residual_stride: u32, y_stride: u32, pre_stride: u32, w_base: u32,
        bias_base: u32, has_bias: u32, has_residual: u32, has_gelu: u32,
    }
}

params! {
    /// As in `shaders/nn/linear_grad_x.wgsl`.
    InputParams {
        rows: u32, inner: u32, cols: u32, dy_stride: u32, pre_stride: u32, skip_stride: u32, dx_stride: u32, w_base: u32,
        has_pre: u32, has_skip: u32,
    }
}

params! {
    /// As in `shaders/nn/linear_grad_w.wgsl`.
    WeightParams {
        rows: u32, inner: u32, cols: u32, inner_per_slice: u32, slices: u32, x_stride: u32, dy_stride: u32, slice_stride: u32,
        bias_offset: u32, accumulate: u32,
    }
}

macro_rules! gemm_kernel {
    ($stem:literal, $entry:literal, $gemm:literal, $params:ident, $operands:expr) => {
        Kernel {
            stem: $stem,
            entry: $entry,
            source: &[
                include_str!("../../../shaders/lib/grid.wgsl"),
                include_str!("../../../shaders/lib/run_time.wgsl"),
                include_str!("../../../shaders/lib/gelu.wgsl"),
                include_str!(concat!("../../../shaders/lib/", $gemm, ".wgsl")),
                include_str!(concat!("../../../shaders/", $stem, ".wgsl")),
            ],
            params: $params::FIELDS,
            operands: $operands,
        }
    };
}

/// A matrix product in both of its bodies.
struct Bodies {
    direct: Kernel,
    tiled: Kernel,
}

impl Bodies {
    fn of(&self, plan: Plan) -> &Kernel {
        match plan {
            Plan::Direct => &self.direct,
            Plan::Tiled => &self.tiled,
        }
    }
}

/// Constants of a kernel. What a store does rarely but at a price is a constant; the rest are flags in the params, which keep
/// the number of pipelines small.
type Flags<'a> = &'a [(&'static str, u32)];

/// Without and with the sums of the columns.
const SUMS: [(&str, u32); 2] = [("COLUMN_SUMS", 0), ("COLUMN_SUMS", 1)];

macro_rules! bodies {
    ($stem:literal, $entry:literal, $params:ident, $operands:expr) => {
        Bodies {
            direct: gemm_kernel!($stem, $entry, "gemm_direct", $params, $operands),
            tiled: gemm_kernel!($stem, $entry, "gemm_tiled", $params, $operands),
        }
    };
}

static FORWARD: Bodies = bodies!(
    "nn/linear",
    "forward",
    ForwardParams,
    &[
        Operand::plane("x", "[M, K]"),
        Operand::weights("w", "[K, N]"),
        Operand::weights("bias", "[N]"),
        Operand::plane("residual", "[M, N]"),
        Operand::plane_out("y", "[M, N]"),
        Operand::plane_out("pre", "[M, N]"),
    ]
);

static GRADIENT_X: Bodies = bodies!(
    "nn/linear_grad_x",
    "gradient_x",
    InputParams,
    &[
        Operand::plane("dy", "[M, N]"),
        Operand::weights("w", "[K, N]"),
        Operand::plane("pre", "[M, K]"),
        Operand::plane("skip", "[M, K]"),
        Operand::plane_out("dx", "[M, K]"),
    ]
);

static GRADIENT_W: Bodies = bodies!(
    "nn/linear_grad_w",
    "gradient_w",
    WeightParams,
    &[
        Operand::plane("x", "[M, K]"),
        Operand::plane("dy", "[M, N]"),
        Operand::array_out("out", "vec4<f32>", "[S, dW K x N, dbias N]"),
    ]
);

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// Input [M, K].
    pub x: &'a Plane,
    /// Weight [K, N].
    pub w: &'a Weights,
    /// Bias `[N]`.
    pub bias: Option<&'a Weights>,
    /// Added to the output, after the activation [M, N].
    pub residual: Option<&'a Plane>,
    /// Output [M, N].
    pub y: &'a Plane,
    /// With GELU: output for the gradient, the value before it [M, N]. Without: none.
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
    /// Where x is the GELU of another layer's value: that value [M, K]; dx is then its gradient.
    pub pre: Option<&'a Plane>,
    /// A gradient of x that flows past the layer [M, K], added to dx.
    pub skip: Option<&'a Plane>,
    /// Output: gradient of x [M, K].
    pub dx: Option<&'a Plane>,
    /// Output: gradients of the weight [K, N] and, if the layer has one, of the bias `[N]`.
    pub parameters: &'a Gradient,
}

/// Adds y = act(x W + bias) + residual. 2 M K N flops.
///
/// # Errors
/// [`crate::Error::Shape`] if the operands do not fit each other; [`crate::Error::LimitExceeded`] past 128,000 inputs in the
/// plan for processors, 85,312 in that for GPUs.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { x, w, bias, residual, y, pre } = *args;
    expect_shape("linear: weight [K, N]", (x.cols, y.cols), (w.rows, w.cols))?;
    expect_shape("linear: rows of y", x.rows, y.rows)?;
    for (name, plane) in [("linear: residual", residual), ("linear: pre", pre)] {
        let shape = plane.map_or((y.rows, y.cols), |p| (p.rows, p.cols));
        expect_shape(name, (y.rows, y.cols), shape)?;
    }
    expect_shape("linear: bias", y.cols, bias.map_or(y.cols, |v| v.cols))?;
    let params = ForwardParams {
        rows: x.rows,
        inner: x.cols,
        cols: y.cols,
        x_stride: x.stride(),
        residual_stride: residual.map_or(0, Plane::stride),
        y_stride: y.stride(),
        pre_stride: pre.map_or(0, Plane::stride),
        w_base: w.base(),
        bias_base: bias.map_or(0, Weights::base),
        has_bias: u32::from(bias.is_some()),
        has_residual: u32::from(residual.is_some()),
        has_gelu: u32::from(pre.is_some()),
    };
    let binds = [
        Bind::Plane(x),
        Bind::Weights(w),
        bias.map_or(Bind::Absent, Bind::Weights),
        residual.map_or(Bind::Absent, Bind::Plane),
        Bind::Plane(y),
        pre.map_or(Bind::Absent, Bind::Plane),
    ];
    let plan = Plan::new(b);
    plan.dispatch(b, &FORWARD, &[SUMS[0]], &params, &binds, [x.rows, x.cols, y.cols], 1)
}

/// Adds the gradients of the input (unless `dx` is none) and of the parameters. 4 M K N flops.
///
/// # Errors
/// As [`forward`], and the same for outputs.
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { x, w, dy, .. } = *args;
    expect_shape("linear: weight [K, N]", (x.cols, dy.cols), (w.rows, w.cols))?;
    expect_shape("linear: rows of dy", x.rows, dy.rows)?;
    if let Some(dx) = args.dx {
        expect_shape("linear: dx", (x.rows, x.cols), (dx.rows, dx.cols))?;
        gradient_x(b, args, dx)?;
    }
    gradient_w(b, args)
}

fn gradient_x(b: &mut Builder, args: &Backward<'_>, dx: &Plane) -> Result<()> {
    let Backward { w, dy, pre, skip, .. } = *args;
    let params = InputParams {
        rows: dy.rows,
        inner: dy.cols,
        cols: dx.cols,
        dy_stride: dy.stride(),
        pre_stride: pre.map_or(0, Plane::stride),
        skip_stride: skip.map_or(0, Plane::stride),
        dx_stride: dx.stride(),
        w_base: w.base(),
        has_pre: u32::from(pre.is_some()),
        has_skip: u32::from(skip.is_some()),
    };
    let binds = [
        Bind::Plane(dy),
        Bind::Weights(w),
        pre.map_or(Bind::Absent, Bind::Plane),
        skip.map_or(Bind::Absent, Bind::Plane),
        Bind::Plane(dx),
    ];
    let plan = Plan::new(b);
    plan.dispatch(b, &GRADIENT_X, &[SUMS[0]], &params, &binds, [dy.rows, dy.cols, dx.cols], 1)
}

fn gradient_w(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { x, w, dy, parameters, .. } = *args;
    let plan = Plan::new(b);
    let inner_per_slice = plan.inner_per_slice([w.rows, x.rows, w.cols]);
    let slices = x.rows.div_ceil(inner_per_slice);
    let out = parameters.slices(b, slices)?;
    let params = WeightParams {
        rows: w.padded_rows(),
        inner: x.rows,
        cols: w.cols,
        inner_per_slice,
        slices: out.slices,
        x_stride: x.stride(),
        dy_stride: dy.stride(),
        slice_stride: out.stride,
        bias_offset: out.second_offset,
        accumulate: out.accumulate,
    };
    let binds = [Bind::Plane(x), Bind::Plane(dy), out.bind()];
    let sums = SUMS[usize::from(parameters.second_len > 0)];
    plan.dispatch(b, &GRADIENT_W, &[sums], &params, &binds, [w.padded_rows(), x.rows, w.cols], out.slices)?;
    out.finish(b)
}

/// Which body computes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// `lib/gemm_direct.wgsl`.
    Direct,
    /// `lib/gemm_tiled.wgsl`.
    Tiled,
}

impl Plan {
    const ALL: [Self; 2] = [Self::Direct, Self::Tiled];

    pub(super) fn new(b: &Builder) -> Self {
        b.planned(Self::ALL)
    }

    /// How much of the inner index one slice sums: few slices for few threads; on a GPU enough to fill it; and no more slices
    /// than fit 64 MiB of scratch.
    fn inner_per_slice(self, [rows, inner, cols]: [u32; 3]) -> u32 {
        let wanted = match self {
            Self::Direct => 1024,
            Self::Tiled => {
                let tiles = rows.div_ceil(64) * cols.div_ceil(64);
                inner.div_ceil(128u32.div_ceil(tiles)).clamp(64, 1024)
            }
        };
        let slice_bytes = 4 * u64::from(rows) * u64::from(cols.next_multiple_of(4));
        let most = ((64 << 20) / slice_bytes.max(1)).clamp(1, u64::from(u32::MAX)) as u32;
        wanted.max(inner.div_ceil(most)).next_multiple_of(4)
    }

    /// Workgroups for `slices` products [rows, inner, cols].
    pub(super) fn groups(self, [rows, _, cols]: [u32; 3], slices: u32) -> u64 {
        let tiles = |r: u32, c: u32| u64::from(rows.div_ceil(r)) * u64::from(cols.div_ceil(c)) * u64::from(slices);
        match self {
            Self::Direct => tiles(16, 8).div_ceil(16),
            Self::Tiled => tiles(64, 64),
        }
    }

    /// Loop iterations of a thread that sums `inner` products: one for four of them, or six for sixteen and eight to store.
    fn trips(self, inner: u32) -> u64 {
        match self {
            Self::Direct => u64::from(inner.div_ceil(4)),
            Self::Tiled => 6 * u64::from(inner.div_ceil(16)) + 8,
        }
    }

    /// Adds the product of shape [rows, inner, cols].
    #[allow(clippy::too_many_arguments, reason = "one private seam of three callers")]
    fn dispatch<P: bytemuck::Pod>(
        self,
        b: &mut Builder,
        bodies: &'static Bodies,
        flags: Flags<'_>,
        params: &P,
        binds: &[Bind<'_>],
        shape: [u32; 3],
        slices: u32,
    ) -> Result<()> {
        let kernel = bodies.of(self);
        let products = shape[1].div_ceil(slices);
        trips::check(&format!("{}: a sum of {products} products", kernel.stem), self.trips(products))?;
        let [m, k, n] = shape.map(f64::from);
        let cost = Cost { flops: 2.0 * m * k * n, bytes: 4.0 * (m * k + k * n + m * n) };
        let variant = Variant { placement: b.placement, constants: flags.to_vec() };
        let dispatch = b.gpu.dispatch(kernel, &variant, params, binds, self.groups(shape, slices), cost)?;
        b.program.dispatch(dispatch);
        Ok(())
    }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let flags: [(&Bodies, Vec<_>); 4] = [
        (&FORWARD, vec![SUMS[0]]),
        (&GRADIENT_X, vec![SUMS[0]]),
        (&GRADIENT_W, vec![SUMS[0]]),
        (&GRADIENT_W, vec![SUMS[1]]),
    ];
    let variants = flags.into_iter().flat_map(|(bodies, constants)| {
        Plan::ALL.map(|plan| (bodies.of(plan), Variant { placement, constants: constants.clone() }))
    });
    variants.collect()
}
