//! AFT over the keys that a row sees through a bias, pair by pair, and its gradients (`shaders/aft/pairs*.wgsl`).

use crate::error::Result;
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, Tuning, kernel};
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::panels::{Layout, Panel, heads};
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/pairs.wgsl`.
    struct ForwardKernel = "aft/pairs", "forward";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_qkv", "aft_mask", "aft_gate", "aft_rest", "aft_mean", "aft_seen", "aft_biases"],
    params: {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, causal: u32, gated: u32,
        reach: u32, slides: u32, ahead: u32, period: u32, head_channels: u32,
    },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: Option<&'a Plane> = "[B, D]",
        read bias: &'a Plane = "[heads period, columns]",
        read rest: Option<Array<'a, [f32; 4]>> = "[3 or 4, B T, D]",
        write y: &'a Plane = "[B T, D]",
        write lr: Option<&'a Plane> = "[B T, 2 D]",
    },
}

kernel! {
    /// `shaders/aft/pairs_grad.wgsl`.
    struct GradientKernel = "aft/pairs_grad", "gradient";
    fragments: ["grid", "run_time", "aft_bounds", "aft_qkv", "aft_mask", "aft_shares", "aft_turn", "aft_seen", "aft_biases"],
    params: {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, panel_blocks: u32, level: u32,
        first_tile: u32, tiles: u32, causal: u32, has_rest: u32, reach: u32, slides: u32, ahead: u32, period: u32,
        head_channels: u32,
    },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: &'a Plane = "[B, D]",
        read bias: &'a Plane = "[heads period, columns]",
        read lr: &'a Plane = "[B T, 2 D]",
        read g: &'a Plane = "[B T, D]",
        write kept: Option<Array<'a, [f32; 4]>> = "[2 to 4, B T, D]",
        write dqkv: &'a Plane = "[B T, 3 D]",
    },
}

/// Fails where a tile of a causal form would walk too many blocks of the keys that it sees.
pub(crate) fn check(reach: u32, time: u32) -> Result<()> {
    let layout = Layout { reach, slide: None, period: time, head_channels: None };
    trips::check("aft: a row over its keys", layout.trips(time, true))
}

/// The tiles of a thread, at most `most`, for so many trips of each: from about 2,000 keys on there is a gain.
fn tiles(most: u32, trips: u64) -> u32 {
    // Each tile comes anew in every span.
    let all = u64::from(most) * (trips + 2) + trips.div_ceil(64) + 1;
    if trips >= 512 && all <= trips::MAX_TRIPS { most } else { 1 }
}

/// Threads of a workgroup: few of many tiles, so that these are spread over the cores.
fn group(tiles: u32) -> u32 {
    if tiles == 1 { 64 } else { 16 }
}

/// Adds y and, for the gradient, L and r of the rows of a panel.
pub(crate) fn forward(
    b: &mut Builder,
    mix: &Mix<'_>,
    panel: &Panel<'_>,
    rest: Option<&Buffer>,
    qkv: &Plane,
    out: &Mixed,
) -> Result<()> {
    let Mix { batch, time, causal, gated, mask, .. } = *mix;
    let (width, layout) = (out.y.stride(), panel.layout);
    let trips = layout.trips(time, causal);
    trips::check("aft: a row over its keys", trips)?;
    let saved = out.saved.as_ref();
    let call = ForwardKernel {
        batch,
        time,
        cols: out.y.cols,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        gated: gated.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        period: layout.period,
        head_channels: layout.head_channels.unwrap_or(1),
        qkv,
        mask: mask.map(Array::from),
        centre: saved.map(|s| &s.centre),
        bias: panel.plane,
        rest: rest.map(Array::from),
        y: &out.y,
        lr: saved.map(|s| &s.lr),
    };
    let tiles = tiles(b.tuning().mix_tiles, trips);
    let variant = forward_variant(b.placement, heads(panel.layout.head_channels), saved.is_some(), tiles);
    let threads = u64::from(batch) * u64::from(panel.rows.div_ceil(4 * tiles)) * u64::from(width);
    let cost = cost(mix, panel, 2.0, panel.rows);
    b.run(&call, &variant, threads.div_ceil(group(tiles).into()), cost)?;
    Ok(())
}

/// What a gradient reads of the rows, and what a key gets from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) qkv: &'a Plane,
    pub(crate) centre: &'a Plane,
    /// L and r side by side [B T, 2 D].
    pub(crate) lr: &'a Plane,
    /// G [B T, D].
    pub(crate) g: &'a Plane,
    pub(crate) others: Others<'a>,
}

/// What a key gets from elsewhere than the rows of a panel.
#[derive(Clone, Copy)]
pub(crate) enum Others<'a> {
    /// Nothing.
    None,
    /// From the rows that see it without a bias; sums over panels take the place of that.
    Rest(&'a Buffer),
    /// From other panels.
    Panels(&'a Buffer),
}

/// Adds dk and dv, or the share of a panel in them.
pub(crate) fn gradient(b: &mut Builder, mix: &Mix<'_>, panel: &Panel<'_>, rows: &Rows<'_>, dqkv: &Plane) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    let (width, layout) = (rows.g.stride(), panel.layout);
    trips::check("aft: a key over its rows", layout.trips(time, causal))?;
    let (keys, has_rest) = (panel.keys(time, causal), matches!(rows.others, Others::Rest(_)));
    let kept = match rows.others {
        Others::None => None,
        Others::Rest(buffer) | Others::Panels(buffer) => Some(buffer.into()),
    };
    let call = GradientKernel {
        batch,
        time,
        cols: channels,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        panel_blocks: panel.blocks,
        level: panel.level,
        first_tile: keys.start,
        tiles: keys.len() as u32,
        causal: causal.into(),
        has_rest: has_rest.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        period: layout.period,
        head_channels: layout.head_channels.unwrap_or(1),
        qkv: rows.qkv,
        mask: mask.map(Array::from),
        centre: rows.centre,
        bias: panel.plane,
        lr: rows.lr,
        g: rows.g,
        kept,
        dqkv,
    };
    let threads = u64::from(batch) * u64::from(call.tiles) * u64::from(width);
    let cost = cost(mix, panel, 3.0, 4 * call.tiles);
    let variant = variant(b.placement, heads(panel.layout.head_channels));
    b.run(&call, &variant, threads.div_ceil(64), cost)?;
    Ok(())
}

/// Of the pairs of a panel, at so many bytes each, and of `positions` that are loaded and stored whatever they see.
pub(crate) fn cost(mix: &Mix<'_>, panel: &Panel<'_>, bytes: f64, positions: u32) -> Cost {
    let chains = f64::from(mix.batch) * f64::from(mix.channels.div_ceil(4));
    let pairs = 4.0 * chains * panel.pairs(mix.time, mix.causal);
    Cost { flops: 14.0 * pairs, bytes: bytes * pairs + 100.0 * chains * f64::from(positions) }
}

fn variant(placement: Placement, heads: u32) -> Specialization {
    Specialization::new(placement).with("HEADS", heads)
}

fn forward_variant(placement: Placement, heads: u32, centred: bool, tiles: u32) -> Specialization {
    let mut variant = variant(placement, heads);
    variant.constants.extend([("CENTRED", centred.into()), ("TILES", tiles), ("GROUP", group(tiles))]);
    variant
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let mut all = Vec::new();
    for heads in 0..3 {
        for centred in [false, true] {
            all.extend(Tuning::ALL.map(|Tuning { mix_tiles: tiles, .. }| {
                (ForwardKernel::KERNEL, forward_variant(placement, heads, centred, tiles))
            }));
        }
        all.push((GradientKernel::KERNEL, variant(placement, heads)));
    }
    all
}
