//! AFT-simple, causal, and its gradients (`shaders/aft/simple*.wgsl`).

use crate::error::Result;
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::aft::Output;
use crate::ops::aft::rows::{Args, Rows};
use crate::ops::aft::strips::{Strips, carries, variants};

params! {
    /// As in `shaders/aft/simple.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32, qkv_stride: u32, carry_stride: u32,
        y_stride: u32, log_den_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/simple_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, qkv_stride: u32, log_den_stride: u32, g_stride: u32,
        h_stride: u32, carry_stride: u32, dqkv_stride: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/simple",
    entry: "forward",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_carry.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/lib/aft_output.wgsl"),
        include_str!("../../../shaders/aft/simple.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("carry", "[3 B strips, D]"),
        Operand::plane_out("y", "[B T, D]"),
        Operand::plane_out("log_den", "[B T, D]"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "aft/simple_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_carry.wgsl"),
        include_str!("../../../shaders/lib/aft_rows.wgsl"),
        include_str!("../../../shaders/lib/aft_key_gradient.wgsl"),
        include_str!("../../../shaders/aft/simple_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("log_den", "[B T, D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::plane("h", "[B T, D]"),
        Operand::plane("carry", "[3 B strips, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]"),
    ],
};

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// Sequences, B.
    pub batch: u32,
    /// Positions in a sequence, T, at most 131,072.
    pub time: u32,
    /// Queries, keys and values [B T, 3 D4] ([`super::qkv_cols`]).
    pub qkv: &'a Plane,
    /// Output [B T, D].
    pub out: &'a Output,
}

/// Operands of the gradient.
pub struct Backward<'a> {
    /// Sequences, B.
    pub batch: u32,
    /// Positions in a sequence, T.
    pub time: u32,
    /// The forward pass's input [B T, 3 D4].
    pub qkv: &'a Plane,
    /// What the forward pass gave [B T, D].
    pub out: &'a Output,
    /// Gradient of y [B T, D].
    pub dy: &'a Plane,
    /// Output: gradients of q, k and v, laid out as they are [B T, 3 D4].
    pub dqkv: &'a Plane,
}

/// Adds y_t = sigmoid(q_t) sum over t' <= t of e^(k_t') v_t' / sum over t' <= t of e^(k_t') (Eq. 5). About 40 flops and 28 bytes an
/// element.
///
/// Exact for any finite q and |v| <= 1e30; |k| counts as 1e30 beyond it. What comes later changes no bit of what came before.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit; [`crate::Error::LimitExceeded`] if T is too long.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { batch, time, qkv, out } = *args;
    out.check("aft simple", batch, time, qkv)?;
    let width = out.y.stride();
    let strips = Strips::of(b, batch, time, width, 0)?;
    let carry = carries(b, qkv, batch, time, 0, strips)?;
    let params = ForwardParams {
        batch,
        time,
        cols: out.y.cols,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        qkv_stride: qkv.stride(),
        carry_stride: width,
        y_stride: out.y.stride(),
        log_den_stride: out.log_den.stride(),
    };
    let binds = [
        Bind::Plane(qkv),
        carry.as_ref().map_or(Bind::Absent, Bind::Plane),
        Bind::Plane(&out.y),
        Bind::Plane(&out.log_den),
    ];
    let elements = 4.0 * f64::from(out.y.rows) * f64::from(width);
    let cost = Cost { flops: 30.0 * elements, bytes: 20.0 * elements };
    let (variant, groups) = strips.grid(b, batch, width);
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    carry.into_iter().for_each(|plane| b.recycle(plane));
    Ok(())
}

/// Adds the gradients of q, k and v. About 80 flops and 60 bytes an element.
///
/// Exact for |v| and |dy| up to 1e18, whose products must stay in f32; beyond, results are finite while these are. dk is the
/// difference of two sums that V is not centred for: an offset of V leaves an error that grows with max|V| (relative to max|dk|,
/// 6e-7 without an offset, 1e-4 with one of 100 standard deviations).
///
/// # Errors
/// As [`forward`].
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { batch, time, qkv, out, dy, dqkv } = *args;
    let rows = Rows::prepare(b, "aft simple", &Args { batch, time, window: 0, qkv, out, dy, dqkv })?;
    let width = out.y.stride();
    let params = GradientParams {
        batch,
        time,
        width,
        strip_rows: rows.strips.rows,
        strips: rows.strips.count,
        qkv_stride: qkv.stride(),
        log_den_stride: out.log_den.stride(),
        g_stride: rows.g.stride(),
        h_stride: rows.h.stride(),
        carry_stride: width,
        dqkv_stride: dqkv.stride(),
    };
    let binds = [
        Bind::Plane(qkv),
        Bind::Plane(&out.log_den),
        Bind::Plane(&rows.g),
        Bind::Plane(&rows.h),
        rows.carry(),
        Bind::Plane(dqkv),
    ];
    let elements = 4.0 * f64::from(out.y.rows) * f64::from(width);
    let cost = Cost { flops: 40.0 * elements, bytes: 28.0 * elements };
    let (variant, groups) = rows.strips.grid(b, batch, width);
    let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    rows.recycle(b);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    [variants(&FORWARD, placement), variants(&GRADIENT, placement)].concat()
}
