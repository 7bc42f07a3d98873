//! AFT-simple (`shaders/aft/simple.wgsl`), what every form is without biases, and its gradients: two walks over strips of time. The
//! first is `rest.rs`; where one strip is all, there is none, or the kernel does it itself where it is not causal.

use crate::error::Result;
use crate::gpu::{Array, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::pairs::Rows;
use crate::ops::aft::rest::{self, Items};
use crate::ops::aft::strips::{Strips, variants};

kernel! {
    /// `shaders/aft/simple.wgsl`.
    struct ForwardKernel = "aft/simple", "simple";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_columns", "aft_scanned", "aft_leave", "aft_strip", "aft_carried", "aft_qkv", "aft_mask", "aft_gate", "aft_mean"],
    params: { batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32, gated: u32 },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: Option<&'a Plane> = "[B, D]",
        read carry: Option<&'a Plane> = "[4 B strips or 4 B, D]",
        write y: &'a Plane = "[B T, D]",
        write lr: Option<&'a Plane> = "[B T, 2 D]",
    },
}

kernel! {
    /// `shaders/aft/simple_grad.wgsl`.
    struct GradientKernel = "aft/simple_grad", "gradient";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_columns", "aft_scanned", "aft_leave", "aft_strip", "aft_carried", "aft_qkv", "aft_mask", "aft_shares"],
    params: { batch: u32, time: u32, cols: u32, width: u32, strip_rows: u32, strips: u32 },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: &'a Plane = "[B, D]",
        read lr: &'a Plane = "[B T, 2 D]",
        read g: &'a Plane = "[B T, D]",
        read carry: Option<&'a Plane> = "[4 B strips or 4 B, D]",
        write dqkv: &'a Plane = "[B T, 3 D]",
    },
}

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
    let call = ForwardKernel {
        batch,
        time,
        cols: out.y.cols,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        gated: gated.into(),
        qkv,
        mask: mask.map(Array::from),
        centre,
        carry: carry.as_ref(),
        y: &out.y,
        lr: saved.map(|saved| &saved.lr),
    };
    let (variant, groups) = strips.grid(b, batch, width);
    let variant = with(variant, causal, Some(saved.is_some()));
    b.run(
        &call,
        &variant,
        groups,
        // q and y, k and v where there is a walk over them, and L and r.
        cost(mix, if causal || carry.is_none() { 64.0 } else { 32.0 } + if saved.is_some() { 32.0 } else { 0.0 }),
    )?;
    Ok(())
}

/// Adds dk and dv.
pub(crate) fn gradient(b: &mut Builder, mix: &Mix<'_>, rows: &Rows<'_>, dqkv: &Plane) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    let width = rows.g.stride();
    let strips = Strips::of(b, batch, time, width)?;
    let carry = carry(b, mix, Items::Rows { lr: rows.lr, g: rows.g }, strips, true)?;
    let call = GradientKernel {
        batch,
        time,
        cols: channels,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        qkv: rows.qkv,
        mask: mask.map(Array::from),
        centre: rows.centre,
        lr: rows.lr,
        g: rows.g,
        carry: carry.as_ref(),
        dqkv,
    };
    let (variant, groups) = strips.grid(b, batch, width);
    // k, v, dk and dv, and where there is a walk over them L, r and g.
    let cost = cost(mix, if causal || carry.is_none() { 112.0 } else { 64.0 });
    b.run(&call, &with(variant, causal, None), groups, cost)?;
    Ok(())
}

/// Of every position and four channels, at so many bytes.
fn cost(mix: &Mix<'_>, bytes: f64) -> Cost {
    let elements = f64::from(mix.rows()) * f64::from(mix.channels.div_ceil(4));
    Cost { flops: 160.0 * elements, bytes: bytes * elements }
}

fn with(mut variant: Specialization, causal: bool, centred: Option<bool>) -> Specialization {
    variant.constants.push(("CAUSAL", causal.into()));
    variant.constants.extend(centred.map(|centred| ("CENTRED", u32::from(centred))));
    variant
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let mut all = Vec::new();
    for causal in [true, false] {
        for (kernel, variant) in variants(ForwardKernel::KERNEL, placement) {
            all.extend([true, false].map(|centred| (kernel, with(variant.clone(), causal, Some(centred)))));
        }
        all.extend(
            variants(GradientKernel::KERNEL, placement).map(|(kernel, variant)| (kernel, with(variant, causal, None))),
        );
    }
    all
}
