//! AFT over the keys that a row sees through a bias, pair by pair, and its gradients (`shaders/aft/pairs*.wgsl`).

use crate::error::Result;
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::panels::{Layout, Panel, heads};
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/aft/pairs.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, causal: u32, gated: u32, masked: u32,
        has_rest: u32, reach: u32, slides: u32, ahead: u32, period: u32, head_channels: u32, qkv_stride: u32, centre_stride: u32, bias_stride: u32, y_stride: u32, lr_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/pairs_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, panel_blocks: u32, level: u32,
        first_tile: u32, tiles: u32, causal: u32, masked: u32, has_rest: u32, reach: u32, slides: u32, ahead: u32,
        period: u32, head_channels: u32, qkv_stride: u32, centre_stride: u32,
        bias_stride: u32, lr_stride: u32, g_stride: u32, dqkv_stride: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/pairs",
    entry: "forward",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_sums.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/lib/aft_rest.wgsl"),
        include_str!("../../../shaders/lib/aft_mean.wgsl"),
        include_str!("../../../shaders/lib/aft_seen.wgsl"),
        include_str!("../../../shaders/lib/aft_biases.wgsl"),
        include_str!("../../../shaders/aft/pairs.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("bias", "[heads period, columns]"),
        Operand::array("rest", "vec4<f32>", "[3 or 4, B T, D]"),
        Operand::plane_out("y", "[B T, D]"),
        Operand::plane_out("lr", "[B T, 2 D]"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "aft/pairs_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_shares.wgsl"),
        include_str!("../../../shaders/lib/aft_turn.wgsl"),
        include_str!("../../../shaders/lib/aft_seen.wgsl"),
        include_str!("../../../shaders/lib/aft_biases.wgsl"),
        include_str!("../../../shaders/aft/pairs_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("bias", "[heads period, columns]"),
        Operand::plane("lr", "[B T, 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::array_out("kept", "vec4<f32>", "[2 to 4, B T, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]"),
    ],
};

/// Fails where a tile of a causal form would walk too many blocks of the keys that it sees.
pub(crate) fn check(reach: u32, time: u32) -> Result<()> {
    let layout = Layout { reach, slide: None, period: time, head_channels: None };
    trips::check("aft: a row over its keys", layout.trips(time, true))
}

/// Tiles of rows that take a span of keys from a processor's caches, where a tile alone walks over more than these hold.
const TILES: u32 = 4;

/// The tiles of a processor's thread, for so many trips of each: from about 2,000 keys on there is a gain.
fn processor_tiles(trips: u64) -> u32 {
    // Each tile comes anew in every span.
    let all = u64::from(TILES) * (trips + 2) + trips.div_ceil(64) + 1;
    if trips >= 512 && all <= trips::MAX_TRIPS { TILES } else { 1 }
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
    let params = ForwardParams {
        batch,
        time,
        cols: out.y.cols,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        gated: gated.into(),
        masked: mix.masked(),
        has_rest: rest.is_some().into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        period: layout.period,
        head_channels: layout.head_channels.unwrap_or(1),
        qkv_stride: qkv.stride(),
        centre_stride: width,
        bias_stride: panel.plane.stride(),
        y_stride: out.y.stride(),
        lr_stride: 2 * width,
    };
    let saved = out.saved.as_ref();
    let binds = [
        Bind::Plane(qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        saved.map_or(Bind::Absent, |s| Bind::Plane(&s.centre)),
        Bind::Plane(panel.plane),
        rest.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(&out.y),
        saved.map_or(Bind::Absent, |s| Bind::Plane(&s.lr)),
    ];
    let tiles = b.planned([processor_tiles(trips), 1]);
    let variant = forward_variant(b.placement, heads(panel.layout.head_channels), saved.is_some(), tiles);
    let threads = u64::from(batch) * u64::from(panel.rows.div_ceil(4 * tiles)) * u64::from(width);
    let cost = cost(mix, panel, 2.0, panel.rows);
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, threads.div_ceil(group(tiles).into()), cost)?;
    b.program.dispatch(dispatch);
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
    let params = GradientParams {
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
        masked: mix.masked(),
        has_rest: has_rest.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        period: layout.period,
        head_channels: layout.head_channels.unwrap_or(1),
        qkv_stride: rows.qkv.stride(),
        centre_stride: width,
        bias_stride: panel.plane.stride(),
        lr_stride: rows.lr.stride(),
        g_stride: rows.g.stride(),
        dqkv_stride: dqkv.stride(),
    };
    let others = match rows.others {
        Others::None => Bind::Absent,
        Others::Rest(buffer) | Others::Panels(buffer) => Bind::Buffer(buffer),
    };
    let binds = [
        Bind::Plane(rows.qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(rows.centre),
        Bind::Plane(panel.plane),
        Bind::Plane(rows.lr),
        Bind::Plane(rows.g),
        others,
        Bind::Plane(dqkv),
    ];
    let threads = u64::from(batch) * u64::from(params.tiles) * u64::from(width);
    let cost = cost(mix, panel, 3.0, 4 * params.tiles);
    let variant = variant(b.placement, heads(panel.layout.head_channels));
    let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, threads.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

/// Of the pairs of a panel, at so many bytes each, and of `positions` that are loaded and stored whatever they see.
pub(crate) fn cost(mix: &Mix<'_>, panel: &Panel<'_>, bytes: f64, positions: u32) -> Cost {
    let chains = f64::from(mix.batch) * f64::from(mix.channels.div_ceil(4));
    let pairs = 4.0 * chains * panel.pairs(mix.time, mix.causal);
    Cost { flops: 14.0 * pairs, bytes: bytes * pairs + 100.0 * chains * f64::from(positions) }
}

fn variant(placement: Placement, heads: u32) -> Variant {
    Variant { placement, constants: vec![("HEADS", heads)] }
}

fn forward_variant(placement: Placement, heads: u32, centred: bool, tiles: u32) -> Variant {
    let mut variant = variant(placement, heads);
    variant.constants.extend([("CENTRED", centred.into()), ("TILES", tiles), ("GROUP", group(tiles))]);
    variant
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let mut all = Vec::new();
    for heads in 0..3 {
        for centred in [false, true] {
            all.extend([1, TILES].map(|tiles| (&FORWARD, forward_variant(placement, heads, centred, tiles))));
        }
        all.push((&GRADIENT, variant(placement, heads)));
    }
    all
}
