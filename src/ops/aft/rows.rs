//! The part of the gradients that is the same in AFT-simple and AFT-local: dq, and what each row hands to the keys that it sees
//! (`shaders/aft/simple_grad_prepare.wgsl`).

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::aft::Output;
use crate::ops::aft::strips::{Strips, scan, states, variants};

params! {
    /// As in `shaders/aft/simple_grad_prepare.wgsl`.
    PrepareParams {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, shift: u32, qkv_stride: u32, dy_stride: u32,
        y_stride: u32, log_den_stride: u32, dqkv_stride: u32, g_stride: u32, h_stride: u32, total_stride: u32,
    }
}

static PREPARE: Kernel = Kernel {
    stem: "aft/simple_grad_prepare",
    entry: "prepare",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_total.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/aft/simple_grad_prepare.wgsl"),
    ],
    params: PrepareParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("dy", "[B T, D]"),
        Operand::plane("y", "[B T, D]"),
        Operand::plane("log_den", "[B T, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]"),
        Operand::plane_out("g", "[B T, D]"),
        Operand::plane_out("h", "[B T, D]"),
        Operand::plane_out("total", "[3 B strips, D]"),
    ],
};

/// Operands of a gradient.
pub(crate) struct Args<'a> {
    pub(crate) batch: u32,
    pub(crate) time: u32,
    pub(crate) window: u32,
    pub(crate) qkv: &'a Plane,
    pub(crate) out: &'a Output,
    pub(crate) dy: &'a Plane,
    pub(crate) dqkv: &'a Plane,
}

/// What each row hands on, and the carries for strips of keys.
pub(crate) struct Rows {
    /// G [B T, D].
    pub(crate) g: Plane,
    /// H [B T, D].
    pub(crate) h: Plane,
    /// The state of all rows after a strip of rows; none if there is one strip.
    pub(crate) carry: Option<Plane>,
    /// Strips of keys.
    pub(crate) strips: Strips,
    /// Strips of rows in a sequence.
    pub(crate) row_strips: u32,
    /// The strip of keys j takes what comes after the strip of rows j + `strip_shift`.
    pub(crate) strip_shift: u32,
}

impl Rows {
    /// Checks the operands; adds dq, G, H and the carries.
    pub(crate) fn prepare(b: &mut Builder, op: &str, args: &Args<'_>) -> Result<Self> {
        let Args { batch, time, window, qkv, out, dy, dqkv } = *args;
        out.check(op, batch, time, qkv)?;
        expect_shape(&format!("{op}: dy"), (out.y.rows, out.y.cols), (dy.rows, dy.cols))?;
        expect_shape(&format!("{op}: dqkv"), (qkv.rows, qkv.cols), (dqkv.rows, dqkv.cols))?;
        let width = out.y.stride();
        let strips = Strips::of(b, batch, time, width, window)?;
        let shift = window.next_multiple_of(strips.rows) - window;
        let of_rows = Strips { rows: strips.rows, count: (time + shift).div_ceil(strips.rows) };
        let g = b.plane("aft G", out.y.rows, out.y.cols)?;
        let h = b.plane("aft H", out.y.rows, out.y.cols)?;
        let total = states(b, "strip totals", batch, of_rows.count, width)?;
        let params = PrepareParams {
            batch,
            time,
            width,
            strip_rows: of_rows.rows,
            strips: of_rows.count,
            shift,
            qkv_stride: qkv.stride(),
            dy_stride: dy.stride(),
            y_stride: out.y.stride(),
            log_den_stride: out.log_den.stride(),
            dqkv_stride: dqkv.stride(),
            g_stride: g.stride(),
            h_stride: h.stride(),
            total_stride: total.stride(),
        };
        let binds = [qkv, dy, &out.y, &out.log_den, dqkv, &g, &h, &total].map(Bind::Plane);
        let elements = 4.0 * f64::from(out.y.rows) * f64::from(width);
        let cost = Cost { flops: 40.0 * elements, bytes: 28.0 * elements };
        let (variant, groups) = of_rows.grid(b, batch, width);
        let dispatch = b.gpu.dispatch(&PREPARE, &variant, &params, &binds, groups, cost)?;
        b.program.dispatch(dispatch);
        // No row comes after those that the one strip of keys walks itself.
        let carry = match strips.count {
            1 => {
                b.recycle(total);
                None
            }
            _ => Some(scan(b, total, batch, of_rows.count, true)?),
        };
        let strip_shift = window.div_ceil(strips.rows);
        Ok(Self { g, h, carry, strips, row_strips: of_rows.count, strip_shift })
    }

    /// The carries as an operand.
    pub(crate) fn carry(&self) -> Bind<'_> {
        self.carry.as_ref().map_or(Bind::Absent, Bind::Plane)
    }

    /// Gives the planes back.
    pub(crate) fn recycle(self, b: &mut Builder) {
        [Some(self.g), Some(self.h), self.carry].into_iter().flatten().for_each(|plane| b.recycle(plane));
    }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    variants(&PREPARE, placement).into()
}
