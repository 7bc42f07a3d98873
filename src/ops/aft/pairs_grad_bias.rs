//! The gradient of biases that all channels share, pair by pair (`shaders/aft/pairs_grad_bias.wgsl`).

use crate::error::Result;
use crate::gpu::{Array, Call, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::mix::Mix;
use crate::ops::aft::pairs::{self, Rows};
use crate::ops::aft::panels::Panel;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/pairs_grad_bias.wgsl`.
    struct GradientKernel = "aft/pairs_grad_bias", "gradient_bias";
    fragments: ["grid", "row_sum", "aft_bounds", "aft_qkv", "aft_mask", "aft_seen"],
    params: {
        batch: u32, time: u32, width: u32, first_row: u32, rows: u32, causal: u32, reach: u32, slides: u32,
        ahead: u32, columns: u32,
    },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: &'a Plane = "[B, D]",
        read bias: &'a Plane = "[rows, columns]",
        read lr: &'a Plane = "[B T, 2 D]",
        read g: &'a Plane = "[B T, D]",
        write dbias: &'a Plane = "[rows, columns]",
    },
}

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
    let lanes =
        trips::lanes(b.tuning().shared_rows, "aft: gradient of the biases over batch and channels", &LANES, trips)?;
    let bias = panel.plane;
    let columns = bias.stride();
    let call = GradientKernel {
        batch,
        time,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        columns,
        qkv: rows.qkv,
        mask: mask.map(Array::from),
        centre: rows.centre,
        bias,
        lr: rows.lr,
        g: rows.g,
        dbias,
    };
    let threads = u64::from(panel.rows.div_ceil(4)) * u64::from(columns) * u64::from(lanes);
    let cost = pairs::cost(mix, panel, 3.0, panel.rows);
    let variant = variant(b.placement, lanes);
    b.run(&call, &variant, threads.div_ceil(64), cost)?;
    Ok(())
}

fn variant(placement: Placement, lanes: u32) -> Specialization {
    Specialization::new(placement).with("LANES", lanes)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    LANES.map(|lanes| (GradientKernel::KERNEL, variant(placement, lanes))).to_vec()
}
