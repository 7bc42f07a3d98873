//! AFT-local, causal, and its gradients (`shaders/aft/local*.wgsl`).

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::rows::{Args, Rows};
use crate::ops::aft::strips::{Strips, carries, variants};
use crate::ops::aft::{Output, band, simple};
use crate::ops::{Builder, trips};

/// Threads that share a block of the band's gradient, in the plans for processors and for GPUs.
const BAND_LANES: [u32; 2] = [2, 32];

params! {
    /// As in `shaders/aft/local.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32, window: u32, qkv_stride: u32,
        band_stride: u32, carry_stride: u32, y_stride: u32, log_den_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/local_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, row_strips: u32, strip_shift: u32, window: u32,
        qkv_stride: u32, band_stride: u32, log_den_stride: u32, g_stride: u32, h_stride: u32, carry_stride: u32,
        dqkv_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/local_grad_band.wgsl`.
    BandParams {
        batch: u32, time: u32, width: u32, window: u32, ages: u32, qkv_stride: u32, band_stride: u32, log_den_stride: u32,
        g_stride: u32, h_stride: u32, dband_stride: u32,
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

static GRADIENT: Kernel = Kernel {
    stem: "aft/local_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_carry.wgsl"),
        include_str!("../../../shaders/lib/aft_window.wgsl"),
        include_str!("../../../shaders/lib/aft_rows.wgsl"),
        include_str!("../../../shaders/lib/aft_key_gradient.wgsl"),
        include_str!("../../../shaders/aft/local_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("band", "[T, ages]"),
        Operand::plane("log_den", "[B T, D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::plane("h", "[B T, D]"),
        Operand::plane("carry", "[3 B strips, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]"),
    ],
};

static GRADIENT_BAND: Kernel = Kernel {
    stem: "aft/local_grad_band",
    entry: "gradient_band",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_window.wgsl"),
        include_str!("../../../shaders/aft/local_grad_band.wgsl"),
    ],
    params: BandParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("band", "[T, ages]"),
        Operand::plane("log_den", "[B T, D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::plane("h", "[B T, D]"),
        Operand::plane_out("dband", "[T, ages]"),
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

/// Operands of the gradient.
pub struct Backward<'a> {
    /// Sequences, B.
    pub batch: u32,
    /// Positions in a sequence, T.
    pub time: u32,
    /// The window s. 0 is AFT-simple, and then the band is not read, nor its gradient written.
    pub window: u32,
    /// The forward pass's input [B T, 3 D4].
    pub qkv: &'a Plane,
    /// The forward pass's biases [T, [`band::cols`]].
    pub band: &'a Plane,
    /// What the forward pass gave [B T, D].
    pub out: &'a Output,
    /// Gradient of y [B T, D].
    pub dy: &'a Plane,
    /// Output: gradients of q, k and v, laid out as they are [B T, 3 D4].
    pub dqkv: &'a Plane,
    /// Output: gradient of the biases, laid out as they are [T, [`band::cols`]].
    pub dband: &'a Plane,
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
    let (variant, groups) = strips.grid(b, batch, width);
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    carry.into_iter().for_each(|plane| b.recycle(plane));
    Ok(())
}

/// Adds the gradients of q, k, v and the band. About 30 s + 80 flops and 60 bytes an element.
///
/// Exact for |v| and |dy| up to 1e18, whose products must stay in f32; beyond, results are finite while these are. dk and dw
/// are differences of two sums that V is not centred for: an offset of V leaves an error that grows with max|V| (relative to
/// max|dk|, 6e-7 without an offset, 1e-4 with one of 100 standard deviations).
///
/// # Errors
/// As [`forward`]; [`crate::Error::LimitExceeded`] for more than 672,000 channels of all sequences together.
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { batch, time, window, qkv, band, out, dy, dqkv, dband } = *args;
    if window == 0 {
        return simple::backward(b, &simple::Backward { batch, time, qkv, out, dy, dqkv });
    }
    expect_shape("aft local: band", (time, band::cols(time, window)), (band.rows, band.cols))?;
    expect_shape("aft local: dband", (band.rows, band.cols), (dband.rows, dband.cols))?;
    let window = window.min(time);
    let band_lanes = band_lanes(b.few_threads(), u64::from(batch) * u64::from(out.y.stride()))?;
    let rows = Rows::prepare(b, "aft local", &Args { batch, time, window, qkv, out, dy, dqkv })?;
    let width = out.y.stride();
    let params = GradientParams {
        batch,
        time,
        width,
        strip_rows: rows.strips.rows,
        strips: rows.strips.count,
        row_strips: rows.row_strips,
        strip_shift: rows.strip_shift,
        window,
        qkv_stride: qkv.stride(),
        band_stride: band.stride(),
        log_den_stride: out.log_den.stride(),
        g_stride: rows.g.stride(),
        h_stride: rows.h.stride(),
        carry_stride: width,
        dqkv_stride: dqkv.stride(),
    };
    let binds = [
        Bind::Plane(qkv),
        Bind::Plane(band),
        Bind::Plane(&out.log_den),
        Bind::Plane(&rows.g),
        Bind::Plane(&rows.h),
        rows.carry(),
        Bind::Plane(dqkv),
    ];
    let elements = 4.0 * f64::from(out.y.rows) * f64::from(width);
    let cost = Cost { flops: (15.0 * f64::from(window) + 40.0) * elements, bytes: 28.0 * elements };
    let (variant, groups) = rows.strips.grid(b, batch, width);
    let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    band_gradient(b, args, window, band_lanes, &rows)?;
    rows.recycle(b);
    Ok(())
}

/// Threads that share a block of the band's gradient, a sum over `count` = B D/4 vec4s of channels: few save exchanges between
/// threads, until their loops would grow too long.
fn band_lanes(few_threads: bool, count: u64) -> Result<u32> {
    // For each vec4 one, four rows and the loop over keys; for each span of 64 one and four; before and after all, the rows
    // of the block, each with two sums over lanes.
    let trips = |lanes: u64| 6 * count.div_ceil(lanes) + 5 * count.div_ceil(64 * lanes) + 56;
    trips::lanes(few_threads, "aft local: gradient of the band over batch and channels", &BAND_LANES, trips)
}

fn band_gradient(b: &mut Builder, args: &Backward<'_>, window: u32, lanes: u32, rows: &Rows) -> Result<()> {
    let Backward { batch, time, qkv, band, out, dband, .. } = *args;
    let width = out.y.stride();
    let params = BandParams {
        batch,
        time,
        width,
        window,
        ages: band.stride(),
        qkv_stride: qkv.stride(),
        band_stride: band.stride(),
        log_den_stride: out.log_den.stride(),
        g_stride: rows.g.stride(),
        h_stride: rows.h.stride(),
        dband_stride: dband.stride(),
    };
    let binds = [qkv, band, &out.log_den, &rows.g, &rows.h, dband].map(Bind::Plane);
    let elements = 4.0 * f64::from(out.y.rows) * f64::from(width);
    let cost = Cost { flops: 15.0 * f64::from(window) * elements, bytes: 28.0 * elements };
    let variant = Variant { placement: b.placement, constants: vec![("LANES", lanes)] };
    let blocks = u64::from(time.div_ceil(4)) * u64::from(band.stride());
    let groups = (blocks * u64::from(lanes)).div_ceil(64);
    let dispatch = b.gpu.dispatch(&GRADIENT_BAND, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let mut all = [variants(&FORWARD, placement), variants(&GRADIENT, placement)].concat();
    for lanes in BAND_LANES {
        all.push((&GRADIENT_BAND, Variant { placement, constants: vec![("LANES", lanes)] }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_of_the_bands_gradient_follow_its_trips() {
        let lanes = |few, count| band_lanes(few, count).ok();
        assert_eq!(
            [1, 10_508, 10_520, 168_000, 168_200].map(|count| lanes(true, count)),
            [Some(2), Some(2), Some(32), Some(32), None]
        );
        assert_eq!([1, 168_000, 168_200].map(|count| lanes(false, count)), [Some(32), Some(32), None]);
    }
}
