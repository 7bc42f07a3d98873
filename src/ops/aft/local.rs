//! AFT-local, causal, and its gradients (`shaders/aft/local*.wgsl`).

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::aft::strips::{Strips, carries};
use crate::ops::aft::{Output, band, simple};

params! {
    /// As in `shaders/aft/local.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32, window: u32, qkv_stride: u32,
        band_stride: u32, carry_stride: u32, y_stride: u32, log_den_stride: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/local",
    entry: "forward",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_carry.wgsl"),
        include_str!("../../../shaders/lib/aft_window.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/lib/aft_output.wgsl"),
        include_str!("../../../shaders/aft/local.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("band", "[T, ages]"),
        Operand::plane("carry", "[3 B strips, D]"),
        Operand::plane_out("y", "[B T, D]"),
        Operand::plane_out("log_den", "[B T, D]"),
    ],
};

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// Sequences, B.
    pub batch: u32,
    /// Positions in a sequence, T, at most 131,072.
    pub time: u32,
    /// The window s: keys t - s < t' <= t are biased. 0 is AFT-simple, and then the band is not read.
    pub window: u32,
    /// Queries, keys and values [B T, 3 D4] ([`super::qkv_cols`]).
    pub qkv: &'a Plane,
    /// The biases, as [`band::forward`] lays them out [T, [`band::cols`]].
    pub band: &'a Plane,
    /// Output [B T, D].
    pub out: &'a Output,
}

/// Adds y_t = sigmoid(q_t) sum over t' <= t of e^(k_t' + w_tt') v_t' / sum over t' <= t of e^(k_t' + w_tt') (Eq. 4), where w is the
/// band within the window and 0 outside. About 20 s + 60 flops and 28 bytes an element.
///
/// Exact for any finite q and |v| <= 1e30; |k| and |w| count as 1e30 beyond it. What comes later changes no bit of what came
/// before.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit; [`crate::Error::LimitExceeded`] if T, or s for this T, is too long.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { batch, time, window, qkv, band, out } = *args;
    if window == 0 {
        return simple::forward(b, &simple::Forward { batch, time, qkv, out });
    }
    out.check("aft local", batch, time, qkv)?;
    expect_shape("aft local: band", (time, band::cols(time, window)), (band.rows, band.cols))?;
    let window = window.min(time);
    let width = out.y.stride();
    let strips = Strips::of(b, batch, time, width, window)?;
    let carry = carries(b, qkv, batch, time, window, strips)?;
    let params = ForwardParams {
        batch,
        time,
        cols: out.y.cols,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        window,
        qkv_stride: qkv.stride(),
        band_stride: band.stride(),
        carry_stride: width,
        y_stride: out.y.stride(),
        log_den_stride: out.log_den.stride(),
    };
    let binds = [
        Bind::Plane(qkv),
        Bind::Plane(band),
        carry.as_ref().map_or(Bind::Absent, Bind::Plane),
        Bind::Plane(&out.y),
        Bind::Plane(&out.log_den),
    ];
    let elements = 4.0 * f64::from(out.y.rows) * f64::from(width);
    let cost = Cost { flops: (20.0 * f64::from(window) + 50.0) * elements, bytes: 28.0 * elements };
    let variant = Variant::plain(b.placement);
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, strips.groups(batch, width), cost)?;
    b.program.dispatch(dispatch);
    carry.into_iter().for_each(|plane| b.recycle(plane));
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&FORWARD, Variant::plain(placement))]
}
