//! The gradient of biases that all channels share, pair by pair (`shaders/aft/pairs_grad_bias.wgsl`).

use crate::error::Result;
use crate::gpu::{Bind, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::mix::Mix;
use crate::ops::aft::pairs::{self, Rows};
use crate::ops::aft::panels::Panel;
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/aft/pairs_grad_bias.wgsl`.
    GradientParams {
        batch: u32, time: u32, width: u32, first_row: u32, rows: u32, causal: u32, masked: u32, reach: u32, slides: u32,
        ahead: u32, columns: u32, qkv_stride: u32, centre_stride: u32, bias_stride: u32, lr_stride: u32, g_stride: u32,
        dbias_stride: u32,
    }
}

static GRADIENT: Kernel = Kernel {
    stem: "aft/pairs_grad_bias",
    entry: "gradient_bias",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_seen.wgsl"),
        include_str!("../../../shaders/aft/pairs_grad_bias.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("bias", "[rows, columns]"),
        Operand::plane("lr", "[B T, 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::plane_out("dbias", "[rows, columns]"),
    ],
};

/// Threads that share a tile, in the plans for processors and for GPUs.
const LANES: [u32; 2] = [2, 32];

/// Adds the gradient of the biases of a panel, laid out as they are.
pub(crate) fn gradient(
    b: &mut Builder,
    mix: &Mix<'_>,
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    dbias: &Plane,
) -> Result<()> {
    let Mix { batch, time, causal, mask, .. } = *mix;
    let (width, layout) = (rows.g.stride(), panel.layout);
    let count = u64::from(batch) * u64::from(width);
    // One for each vec4 of channels and each span of 64, and the sums over lanes at the end.
    let trips = |lanes: u64| count.div_ceil(lanes) + count.div_ceil(64 * lanes) + 56;
    let lanes = trips::lanes(b.few_threads(), "aft: gradient of the biases over batch and channels", &LANES, trips)?;
    let bias = panel.plane;
    let columns = bias.stride();
    let params = GradientParams {
        batch,
        time,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        masked: mix.masked(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        columns,
        qkv_stride: rows.qkv.stride(),
        centre_stride: width,
        bias_stride: columns,
        lr_stride: rows.lr.stride(),
        g_stride: rows.g.stride(),
        dbias_stride: dbias.stride(),
    };
    let binds = [
        Bind::Plane(rows.qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(rows.centre),
        Bind::Plane(bias),
        Bind::Plane(rows.lr),
        Bind::Plane(rows.g),
        Bind::Plane(dbias),
    ];
    let threads = u64::from(panel.rows.div_ceil(4)) * u64::from(columns) * u64::from(lanes);
    let cost = pairs::cost(mix, panel, 3.0, panel.rows);
    let variant = variant(b.placement, lanes);
    let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, threads.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

fn variant(placement: Placement, lanes: u32) -> Variant {
    Variant { placement, constants: vec![("LANES", lanes)] }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    LANES.map(|lanes| (&GRADIENT, variant(placement, lanes))).to_vec()
}
