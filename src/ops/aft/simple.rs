//! AFT-simple (`shaders/aft/simple.wgsl`), what every form is without biases, and its gradients: two walks over strips of time. The
//! first is `rest.rs`; where one strip is all, there is none, or the kernel does it itself where it is not causal.

use crate::error::Result;
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::pairs::Rows;
use crate::ops::aft::rest::{self, Items};
use crate::ops::aft::strips::{Strips, variants};

params! {
    /// As in `shaders/aft/simple.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32, gated: u32, masked: u32,
        qkv_stride: u32, centre_stride: u32, carry_stride: u32, y_stride: u32, lr_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/simple_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32, masked: u32, qkv_stride: u32,
        centre_stride: u32, lr_stride: u32, g_stride: u32, carry_stride: u32, dqkv_stride: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/simple",
    entry: "simple",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_sums.wgsl"),
        include_str!("../../../shaders/lib/aft_columns.wgsl"),
        include_str!("../../../shaders/lib/aft_scanned.wgsl"),
        include_str!("../../../shaders/lib/aft_leave.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_carried.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/lib/aft_mean.wgsl"),
        include_str!("../../../shaders/aft/simple.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("carry", "[4 B strips or 4 B, D]"),
        Operand::plane_out("y", "[B T, D]"),
        Operand::plane_out("lr", "[B T, 2 D]"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "aft/simple_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_sums.wgsl"),
        include_str!("../../../shaders/lib/aft_columns.wgsl"),
        include_str!("../../../shaders/lib/aft_scanned.wgsl"),
        include_str!("../../../shaders/lib/aft_leave.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_carried.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_shares.wgsl"),
        include_str!("../../../shaders/aft/simple_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("lr", "[B T, 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::plane("carry", "[4 B strips or 4 B, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]"),
    ],
};

/// What a strip's sums are added to: those of the strips before it (after it, if `backward`), or of all positions. None, where one strip
/// is all.
fn carry(b: &mut Builder, mix: &Mix<'_>, items: Items<'_>, strips: Strips, backward: bool) -> Result<Option<Plane>> {
    if mix.causal { rest::carry(b, mix, items, strips, Some(0), backward) } else { rest::whole(b, mix, items, strips) }
}

/// Adds y and, for the gradient, L and r.
pub(crate) fn forward(b: &mut Builder, mix: &Mix<'_>, qkv: &Plane, out: &Mixed) -> Result<()> {
    let Mix { batch, time, causal, gated, mask, .. } = *mix;
    let width = out.y.stride();
    let strips = Strips::of(b, batch, time, width)?;
    let saved = out.saved.as_ref();
    let centre = saved.map(|saved| &saved.centre);
    let carry = carry(b, mix, Items::Keys { qkv, centre }, strips, false)?;
    let params = ForwardParams {
        batch,
        time,
        cols: out.y.cols,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        gated: gated.into(),
        masked: mix.masked(),
        qkv_stride: qkv.stride(),
        centre_stride: width,
        carry_stride: width,
        y_stride: out.y.stride(),
        lr_stride: 2 * width,
    };
    let binds = [
        Bind::Plane(qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        centre.map_or(Bind::Absent, Bind::Plane),
        carry.as_ref().map_or(Bind::Absent, Bind::Plane),
        Bind::Plane(&out.y),
        saved.map_or(Bind::Absent, |saved| Bind::Plane(&saved.lr)),
    ];
    let (variant, groups) = strips.grid(b, batch, width);
    let variant = with(variant, causal, Some(saved.is_some()));
    let dispatch = b.gpu.dispatch(
        &FORWARD,
        &variant,
        &params,
        &binds,
        groups,
        // q and y, k and v where there is a walk over them, and L and r.
        cost(mix, if causal || carry.is_none() { 64.0 } else { 32.0 } + if saved.is_some() { 32.0 } else { 0.0 }),
    )?;
    b.program.dispatch(dispatch);
    carry.into_iter().for_each(|plane| b.recycle(plane));
    Ok(())
}

/// Adds dk and dv.
pub(crate) fn gradient(b: &mut Builder, mix: &Mix<'_>, rows: &Rows<'_>, dqkv: &Plane) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    let width = rows.g.stride();
    let strips = Strips::of(b, batch, time, width)?;
    let carry = carry(b, mix, Items::Rows { lr: rows.lr, g: rows.g }, strips, true)?;
    let params = GradientParams {
        batch,
        time,
        cols: channels,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        masked: mix.masked(),
        qkv_stride: rows.qkv.stride(),
        centre_stride: width,
        lr_stride: rows.lr.stride(),
        g_stride: rows.g.stride(),
        carry_stride: width,
        dqkv_stride: dqkv.stride(),
    };
    let binds = [
        Bind::Plane(rows.qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(rows.centre),
        Bind::Plane(rows.lr),
        Bind::Plane(rows.g),
        carry.as_ref().map_or(Bind::Absent, Bind::Plane),
        Bind::Plane(dqkv),
    ];
    let (variant, groups) = strips.grid(b, batch, width);
    // k, v, dk and dv, and where there is a walk over them L, r and g.
    let cost = cost(mix, if causal || carry.is_none() { 112.0 } else { 64.0 });
    let dispatch = b.gpu.dispatch(&GRADIENT, &with(variant, causal, None), &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    carry.into_iter().for_each(|plane| b.recycle(plane));
    Ok(())
}

/// Of every position and four channels, at so many bytes.
fn cost(mix: &Mix<'_>, bytes: f64) -> Cost {
    let elements = f64::from(mix.rows()) * f64::from(mix.channels.div_ceil(4));
    Cost { flops: 160.0 * elements, bytes: bytes * elements }
}

fn with(mut variant: Variant, causal: bool, centred: Option<bool>) -> Variant {
    variant.constants.push(("CAUSAL", causal.into()));
    variant.constants.extend(centred.map(|centred| ("CENTRED", u32::from(centred))));
    variant
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let mut all = Vec::new();
    for causal in [true, false] {
        for (kernel, variant) in variants(&FORWARD, placement) {
            all.extend([true, false].map(|centred| (kernel, with(variant.clone(), causal, Some(centred)))));
        }
        all.extend(variants(&GRADIENT, placement).map(|(kernel, variant)| (kernel, with(variant, causal, None))));
    }
    all
}
