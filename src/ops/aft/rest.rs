//! Sums without biases (`shaders/aft/rest*.wgsl`), of keys in a forward pass and of rows in a gradient: of what lies outside of a
//! window; and strip by strip, as `simple.rs` and `grid.rs` take them.

use crate::error::Result;
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::strips::{Strips, variants};

kernel! {
    /// `shaders/aft/rest.wgsl`.
    struct RestKernel = "aft/rest", "rest_of_strip";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_columns", "aft_scanned", "aft_strip", "aft_mask", "aft_items", "aft_rest", "aft_rest_store"],
    params: {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, use_before: u32, before: u32,
        use_after: u32, after: u32, keys: u32, centred: u32,
    },
    operands: {
        read items: &'a Plane = "[B T, 3 D or 2 D]",
        read g: Option<&'a Plane> = "[B T, D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: Option<&'a Plane> = "[B, D]",
        read carry_before: Option<&'a Plane> = "[4 B strips, D]",
        read carry_after: Option<&'a Plane> = "[4 B strips, D]",
        write rest: Array<'a, [f32; 4]> = "[3 or 4, B T, D]",
    },
}

kernel! {
    /// `shaders/aft/rest_reduce.wgsl`.
    struct ReduceKernel = "aft/rest_reduce", "reduce";
    fragments: ["grid", "aft_bounds", "aft_sums", "aft_columns", "aft_strip", "aft_mask", "aft_items_known", "aft_items", "aft_leave"],
    params: {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, ahead: u32, back: u32, centre_share: u32,
    },
    operands: {
        read items: &'a Plane = "[B T, 3 D or 2 D]",
        read g: Option<&'a Plane> = "[B T, D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: Option<&'a Plane> = "[B, D]",
        write total: &'a Plane = "[4 B strips, D]",
    },
}

kernel! {
    /// `shaders/aft/rest_scan.wgsl`.
    struct ScanKernel = "aft/rest_scan", "scan";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums"],
    params: { batch: u32, width: u32, strips: u32, backward: u32, whole: u32 },
    operands: {
        read total: &'a Plane = "[4 B strips, D]",
        write carry: &'a Plane = "[4 B strips or 4 B, D]",
    },
}

/// What is summed.
#[derive(Clone, Copy)]
pub(crate) enum Items<'a> {
    /// Keys and values; with a centre, values are also summed as differences from it.
    Keys { qkv: &'a Plane, centre: Option<&'a Plane> },
    /// Rows: L and r side by side, and G.
    Rows { lr: &'a Plane, g: &'a Plane },
}

/// Which items count for position t: those with t' <= t - before, and those with t' >= t + after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outside {
    pub(crate) before: Option<u32>,
    pub(crate) after: Option<u32>,
}

impl Items<'_> {
    pub(crate) fn centred(&self) -> bool {
        matches!(self, Self::Keys { centre: Some(_), .. })
    }

    /// q, k and v, or L and r, side by side.
    pub(crate) fn plane(&self) -> &Plane {
        match self {
            Self::Keys { qkv, .. } => qkv,
            Self::Rows { lr, .. } => lr,
        }
    }

    /// vec4s of channels.
    pub(crate) fn width(&self) -> u32 {
        self.plane().stride() / (2 + self.keys())
    }

    pub(crate) fn keys(&self) -> u32 {
        matches!(self, Self::Keys { .. }).into()
    }

    /// The variant of a kernel for such items.
    pub(crate) fn variant(&self, variant: Specialization) -> Specialization {
        with_items(variant, [self.keys(), self.centred().into()])
    }

    /// The mask of keys; rows are all there.
    pub(crate) fn mask<'a>(&self, mix: &Mix<'a>) -> Option<Array<'a, u32>> {
        mix.mask.filter(|_| self.keys() != 0).map(Array::from)
    }

    /// G, of rows.
    pub(crate) fn g(&self) -> Option<&Plane> {
        match *self {
            Self::Keys { .. } => None,
            Self::Rows { g, .. } => Some(g),
        }
    }

    /// The centre of values, of centred keys.
    pub(crate) fn centre(&self) -> Option<&Plane> {
        match *self {
            Self::Keys { centre, .. } => centre,
            Self::Rows { .. } => None,
        }
    }

    /// Sequences that share a row of the centre, where the rows of a grid are taken for sequences.
    fn centre_share(&self, sequences: u32) -> u32 {
        match self {
            Self::Keys { centre: Some(centre), .. } => sequences / centre.rows,
            _ => 1,
        }
    }
}

/// Floats of what goes from one strip to the next, for as long as sums are formed.
pub(crate) fn carries(b: &Builder, mix: &Mix<'_>) -> Result<u64> {
    let width = mix.channels.div_ceil(4);
    let strips = Strips::of(b, mix.batch, mix.time, width)?;
    // Totals, and a plane for each direction.
    let planes = if strips.count == 1 { 0 } else { 2 + u64::from(!mix.causal) };
    Ok(planes * 4 * u64::from(mix.batch) * u64::from(strips.count) * 4 * u64::from(width))
}

/// Memory for sums of every position: [3, B T, D4] vec4s of top, a and b, of centred keys also c. For rows there is room for a fourth
/// part, too, as sums over panels may take their place.
pub(crate) fn room(b: &mut Builder, mix: &Mix<'_>, items: Items<'_>) -> Result<Buffer> {
    let parts = if items.keys() == 0 || items.centred() { 4 } else { 3 };
    b.scratch("aft rest", 16 * parts * u64::from(mix.rows()) * u64::from(items.width()))
}

/// What the walk over each strip begins with: the sums of all items t' <= t - gap (t' >= t + gap, if `backward`), where t is the
/// strip's first position (its last) without those that join while it is walked. One strip walks over all items itself.
pub(crate) fn carry(
    b: &mut Builder,
    mix: &Mix<'_>,
    items: Items<'_>,
    strips: Strips,
    gap: Option<u32>,
    backward: bool,
) -> Result<Option<Plane>> {
    let Some(gap) = gap.filter(|_| strips.count > 1) else { return Ok(None) };
    let total = totals(b, mix, items, strips, gap, backward)?;
    scan(b, total, mix, items, strips, if backward { Scan::After } else { Scan::Before }).map(Some)
}

/// The sums of all items of a sequence [4 B, D]; one strip has them itself.
pub(crate) fn whole(b: &mut Builder, mix: &Mix<'_>, items: Items<'_>, strips: Strips) -> Result<Option<Plane>> {
    if strips.count == 1 {
        return Ok(None);
    }
    let total = totals(b, mix, items, strips, 0, false)?;
    scan(b, total, mix, items, strips, Scan::Whole).map(Some)
}

/// Adds the sums of all items outside, for every position, in a buffer as of [`room`].
pub(crate) fn sums(b: &mut Builder, mix: &Mix<'_>, items: Items<'_>, outside: Outside) -> Result<Buffer> {
    let Mix { batch, time, .. } = *mix;
    let width = items.width();
    let strips = Strips::of(b, batch, time, width)?;
    let before = carry(b, mix, items, strips, outside.before, false)?;
    let after = carry(b, mix, items, strips, outside.after, true)?;
    let elements = f64::from(batch) * f64::from(time) * f64::from(width);
    let rest = room(b, mix, items)?;
    let call = RestKernel {
        batch,
        time,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        use_before: u32::from(outside.before.is_some()),
        before: outside.before.unwrap_or(0),
        use_after: u32::from(outside.after.is_some()),
        after: outside.after.unwrap_or(0),
        keys: items.keys(),
        centred: items.centred().into(),
        items: items.plane(),
        g: items.g(),
        mask: items.mask(mix),
        centre: items.centre(),
        carry_before: before.as_ref(),
        carry_after: after.as_ref(),
        rest: (&rest).into(),
    };
    let (variant, groups) = strips.grid(b, batch, width);
    let cost = Cost { flops: 160.0 * elements, bytes: 96.0 * elements };
    b.run(&call, &variant, groups, cost)?;
    Ok(rest)
}

fn states(b: &mut Builder, mix: &Mix<'_>, items: Items<'_>, strips: u32) -> Result<Plane> {
    b.plane("strip sums", 4 * mix.batch * strips, 4 * items.width())
}

/// Adds the sums of the items that each strip takes in while it is walked, at a distance of `gap`.
fn totals(b: &mut Builder, mix: &Mix<'_>, items: Items<'_>, strips: Strips, gap: u32, backward: bool) -> Result<Plane> {
    let Mix { batch, time, .. } = *mix;
    let width = items.width();
    let total = states(b, mix, items, strips.count)?;
    let call = ReduceKernel {
        batch,
        time,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        ahead: if backward { gap } else { 0 },
        back: if backward { 0 } else { gap },
        centre_share: items.centre_share(batch),
        items: items.plane(),
        g: items.g(),
        mask: items.mask(mix),
        centre: items.centre(),
        total: &total,
    };
    let elements = f64::from(batch) * f64::from(time) * f64::from(width);
    let (variant, groups) = strips.grid(b, batch, width);
    let cost = Cost { flops: 50.0 * elements, bytes: 32.0 * elements };
    b.run(&call, &items.variant(variant), groups, cost)?;
    Ok(total)
}

/// Which strips a carry is the sum of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    /// Those before each.
    Before,
    /// Those after each.
    After,
    /// All.
    Whole,
}

fn scan(b: &mut Builder, total: Plane, mix: &Mix<'_>, items: Items<'_>, strips: Strips, scan: Scan) -> Result<Plane> {
    let width = items.width();
    let carry = states(b, mix, items, if scan == Scan::Whole { 1 } else { strips.count })?;
    let values = f64::from(total.rows) * f64::from(width);
    let cost = Cost { flops: 40.0 * values, bytes: 32.0 * values };
    let groups = (u64::from(mix.batch) * u64::from(width)).div_ceil(64);
    let call = ScanKernel {
        batch: mix.batch,
        width,
        strips: strips.count,
        backward: u32::from(scan == Scan::After),
        whole: u32::from(scan == Scan::Whole),
        total: &total,
        carry: &carry,
    };
    b.run(&call, &b.special(), groups, cost)?;
    Ok(carry)
}

fn with_items(mut variant: Specialization, [keys, centred]: [u32; 2]) -> Specialization {
    variant.constants.extend([("KEYS", keys), ("CENTRED", centred)]);
    variant
}

/// The variants of a kernel over strips for keys, centred or not, and for rows.
pub(crate) fn variants_of_items(
    kernel: &'static Kernel,
    placement: Placement,
) -> Vec<(&'static Kernel, Specialization)> {
    // As [KEYS, CENTRED].
    let items = [[1, 1], [1, 0], [0, 0]];
    variants(kernel, placement)
        .into_iter()
        .flat_map(|(kernel, variant)| items.map(|items| (kernel, with_items(variant.clone(), items))))
        .collect()
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let mut all =
        [variants(RestKernel::KERNEL, placement).to_vec(), variants_of_items(ReduceKernel::KERNEL, placement)].concat();
    all.push((ScanKernel::KERNEL, Specialization::new(placement)));
    all
}
