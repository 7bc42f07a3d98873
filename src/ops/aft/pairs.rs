//! AFT over the keys that a row sees through a bias, pair by pair, and its gradients (`shaders/aft/pairs*.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::taps::Taps;
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/aft/pairs.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, causal: u32, gated: u32, masked: u32,
        has_rest: u32, reach: u32, slides: u32, ahead: u32, period: u32, head_channels: u32, size: u32,
        grid_columns: u32, qkv_stride: u32, centre_stride: u32, bias_stride: u32, y_stride: u32, lr_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/pairs_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, causal: u32, masked: u32, has_rest: u32,
        adds: u32, folds: u32, blocks_before: u32, last: u32, reach: u32, slides: u32, ahead: u32, period: u32,
        head_channels: u32, size: u32, grid_columns: u32, qkv_stride: u32, centre_stride: u32, bias_stride: u32,
        lr_stride: u32, g_stride: u32, dqkv_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/pairs_grad_bias.wgsl`.
    BiasParams {
        batch: u32, time: u32, cols: u32, width: u32, first_row: u32, rows: u32, causal: u32, masked: u32, reach: u32,
        slides: u32, ahead: u32, columns: u32, period: u32, head_channels: u32, qkv_stride: u32, centre_stride: u32,
        bias_stride: u32, lr_stride: u32, g_stride: u32, dbias_stride: u32,
    }
}

macro_rules! kernels {
    ($stem:literal, $entry:literal, $params:ident, [$($fragment:literal),*], [$($before:expr),*], [$($after:expr),*]) => {
        [
            Kernel {
                stem: $stem,
                entry: $entry,
                source: &[
                    $(include_str!(concat!("../../../shaders/lib/", $fragment, ".wgsl")),)*
                    include_str!("../../../shaders/lib/aft_seen.wgsl"),
                    include_str!("../../../shaders/lib/aft_biases.wgsl"),
                    include_str!(concat!("../../../shaders/", $stem, ".wgsl")),
                ],
                params: $params::FIELDS,
                operands: &[$($before,)* Operand::plane("bias", "[heads period, columns]"), $($after),*],
            },
            Kernel {
                stem: $stem,
                entry: $entry,
                source: &[
                    $(include_str!(concat!("../../../shaders/lib/", $fragment, ".wgsl")),)*
                    include_str!("../../../shaders/lib/aft_grid_biases.wgsl"),
                    include_str!(concat!("../../../shaders/", $stem, ".wgsl")),
                ],
                params: $params::FIELDS,
                operands: &[$($before,)* Operand::array("taps", "f32", "[H, S, S]"), $($after),*],
            },
        ]
    };
}

/// With biases from a plane, and from taps on a grid.
static FORWARD: [Kernel; 2] = kernels!(
    "aft/pairs",
    "forward",
    ForwardParams,
    ["grid", "run_time", "aft_bounds", "aft_sums", "aft_qkv", "aft_mask", "aft_gate"],
    [Operand::plane("qkv", "[B T, 3 D]"), Operand::array("mask", "u32", "[B, T]"), Operand::plane("centre", "[B, D]")],
    [
        Operand::array("rest", "vec4<f32>", "[3 or 4, B T, D]"),
        Operand::plane_out("y", "[B T, D]"),
        Operand::plane_out("lr", "[B T, 2 D]")
    ]
);

static GRADIENT: [Kernel; 2] = kernels!(
    "aft/pairs_grad",
    "gradient",
    GradientParams,
    ["grid", "run_time", "aft_bounds", "aft_scale", "aft_qkv", "aft_mask"],
    [Operand::plane("qkv", "[B T, 3 D]"), Operand::array("mask", "u32", "[B, T]"), Operand::plane("centre", "[B, D]")],
    [
        Operand::plane("lr", "[B T, 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::array_out("kept", "vec4<f32>", "[3 or 4, B T, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]")
    ]
);

static GRADIENT_BIAS: Kernel = Kernel {
    stem: "aft/pairs_grad_bias",
    entry: "gradient_bias",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_scale.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_seen.wgsl"),
        include_str!("../../../shaders/lib/aft_biases.wgsl"),
        include_str!("../../../shaders/aft/pairs_grad_bias.wgsl"),
    ],
    params: BiasParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("bias", "[period, columns]"),
        Operand::plane("lr", "[B T, 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::plane_out("dbias", "[period, columns]"),
    ],
};

/// Where biases lie in their plane (`shaders/lib/aft_seen.wgsl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Row t sees key t' if |t - t'| < reach.
    pub(crate) reach: u32,
    /// Blocks ahead of a row's own at which its columns begin, where they slide with the rows; else they begin at block 0.
    pub(crate) slide: Option<u32>,
    /// Rows of a head, after which they begin again.
    pub(crate) period: u32,
    /// Channels of a head; none where all share the biases.
    pub(crate) head_channels: Option<u32>,
}

impl Layout {
    /// Loop iterations of a tile of rows over the blocks that it sees, or of a tile of keys over those that see it.
    fn trips(self, time: u32, causal: bool) -> u64 {
        let all = u64::from(time.div_ceil(4));
        let one_way = u64::from(self.reach.min(time) / 4) + 2;
        let blocks = all.min(if causal { one_way } else { 2 * one_way });
        blocks + blocks.div_ceil(64) + 2
    }

    /// The constant HEADS (`shaders/lib/aft_biases.wgsl`).
    pub(crate) fn heads(self) -> u32 {
        match self.head_channels {
            None => 0,
            Some(channels) if channels.is_multiple_of(4) => 1,
            Some(_) => 2,
        }
    }
}

/// Where biases come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// A plane of blocks.
    Plane(&'a Plane),
    /// Taps on a grid of so many columns.
    Grid(&'a Taps<'a>, u32),
}

/// Biases at hand for rows `first_row .. first_row + rows`.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) layout: Layout,
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
}

impl<'a> Panel<'a> {
    /// The plane of blocks.
    pub(crate) fn plane(&self) -> Result<&'a Plane> {
        match self.source {
            Source::Plane(plane) => Ok(plane),
            Source::Grid(..) => Err(Error::Config("aft: taps on a grid are in no plane".into())),
        }
    }

    fn bind(&self) -> Bind<'a> {
        match self.source {
            Source::Plane(plane) => Bind::Plane(plane),
            Source::Grid(taps, _) => Bind::Buffer(taps.values),
        }
    }

    /// The plane's stride, the kernel's size and the grid's columns, as far as there are such.
    fn sizes(&self) -> [u32; 3] {
        match self.source {
            Source::Plane(plane) => [plane.stride(), 1, 1],
            Source::Grid(taps, columns) => [0, taps.size, columns],
        }
    }

    fn kernel(&self, kernels: &'static [Kernel; 2]) -> &'static Kernel {
        &kernels[usize::from(matches!(self.source, Source::Grid(..)))]
    }

    /// Pairs of a row and a key that are computed, for `time` positions.
    fn pairs(&self, time: u32, causal: bool) -> f64 {
        let reach = f64::from(self.layout.reach.min(time));
        f64::from(self.rows) * if causal { reach } else { (2.0 * reach).min(f64::from(time)) }
    }
}

/// Fails where a tile of a causal form would walk too many blocks of the keys that it sees.
pub(crate) fn check(reach: u32, time: u32) -> Result<()> {
    let layout = Layout { reach, slide: None, period: time, head_channels: None };
    trips::check("aft: a row over its keys", layout.trips(time, true))
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
    trips::check("aft: a row over its keys", layout.trips(time, causal))?;
    let [bias_stride, size, grid_columns] = panel.sizes();
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
        size,
        grid_columns,
        qkv_stride: qkv.stride(),
        centre_stride: width,
        bias_stride,
        y_stride: out.y.stride(),
        lr_stride: 2 * width,
    };
    let saved = out.saved.as_ref();
    let binds = [
        Bind::Plane(qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        saved.map_or(Bind::Absent, |s| Bind::Plane(&s.centre)),
        panel.bind(),
        rest.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(&out.y),
        saved.map_or(Bind::Absent, |s| Bind::Plane(&s.lr)),
    ];
    let variant = variant(b.placement, panel.layout.heads(), Some(saved.is_some()));
    let threads = u64::from(batch) * u64::from(panel.rows.div_ceil(4)) * u64::from(width);
    let pairs = 4.0 * f64::from(batch) * f64::from(width) * panel.pairs(time, causal);
    let cost = Cost { flops: 14.0 * pairs, bytes: 2.0 * pairs };
    let dispatch = b.gpu.dispatch(panel.kernel(&FORWARD), &variant, &params, &binds, threads.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

/// What a gradient reads of the rows, and of those that see a key without a bias.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) qkv: &'a Plane,
    pub(crate) centre: &'a Plane,
    /// L and r side by side [B T, 2 D].
    pub(crate) lr: &'a Plane,
    /// G [B T, D].
    pub(crate) g: &'a Plane,
    /// What a key gets from elsewhere: the rest of the rows, or what earlier panels left.
    pub(crate) others: Option<&'a Buffer>,
}

/// Which of the panels of a gradient it is; sums over them are in two levels, of blocks of panels and within a block.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) number: u32,
    pub(crate) of: u32,
    /// Whether what a key gets from elsewhere is the rest of the rows; then there is one panel.
    pub(crate) has_rest: bool,
}

/// Panels whose shares are added in one level.
const PANEL_BLOCK: u32 = 32;

/// Adds dk and dv, or the share of a panel in them.
pub(crate) fn gradient(
    b: &mut Builder,
    mix: &Mix<'_>,
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    turn: Turn,
    dqkv: &Plane,
) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    let (width, layout) = (rows.g.stride(), panel.layout);
    trips::check("aft: a key over its rows", layout.trips(time, causal))?;
    let last = turn.number + 1 == turn.of;
    let [bias_stride, size, grid_columns] = panel.sizes();
    let params = GradientParams {
        batch,
        time,
        cols: channels,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        masked: mix.masked(),
        has_rest: turn.has_rest.into(),
        adds: (!turn.number.is_multiple_of(PANEL_BLOCK)).into(),
        folds: ((turn.number + 1).is_multiple_of(PANEL_BLOCK) || last).into(),
        blocks_before: (turn.number >= PANEL_BLOCK).into(),
        last: last.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        period: layout.period,
        head_channels: layout.head_channels.unwrap_or(1),
        size,
        grid_columns,
        qkv_stride: rows.qkv.stride(),
        centre_stride: width,
        bias_stride,
        lr_stride: rows.lr.stride(),
        g_stride: rows.g.stride(),
        dqkv_stride: dqkv.stride(),
    };
    let binds = [
        Bind::Plane(rows.qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(rows.centre),
        panel.bind(),
        Bind::Plane(rows.lr),
        Bind::Plane(rows.g),
        rows.others.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(dqkv),
    ];
    let threads = u64::from(batch) * u64::from(time.div_ceil(4)) * u64::from(width);
    let pairs = 4.0 * f64::from(batch) * f64::from(width) * panel.pairs(time, causal);
    let cost = Cost { flops: 14.0 * pairs, bytes: 3.0 * pairs };
    let variant = variant(b.placement, panel.layout.heads(), None);
    let dispatch = b.gpu.dispatch(panel.kernel(&GRADIENT), &variant, &params, &binds, threads.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

/// Threads that share a tile of the biases' gradient, in the plans for processors and for GPUs.
const BIAS_LANES: [u32; 2] = [2, 32];

/// Adds the gradient of the biases of a panel, which all channels share, laid out as they are.
pub(crate) fn gradient_bias(
    b: &mut Builder,
    mix: &Mix<'_>,
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    dbias: &Plane,
) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    let (width, layout) = (rows.g.stride(), panel.layout);
    let count = u64::from(batch) * u64::from(width);
    // One for each vec4 of channels and each span of 64, and the sums over lanes at the end.
    let trips = |lanes: u64| count.div_ceil(lanes) + count.div_ceil(64 * lanes) + 56;
    let lanes =
        trips::lanes(b.few_threads(), "aft: gradient of the biases over batch and channels", &BIAS_LANES, trips)?;
    let bias = panel.plane()?;
    let columns = bias.stride();
    let params = BiasParams {
        batch,
        time,
        cols: channels,
        width,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        masked: mix.masked(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        columns,
        period: layout.period,
        head_channels: 1,
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
    let mut variant = variant(b.placement, 0, None);
    variant.constants.push(("LANES", lanes));
    let threads = u64::from(panel.rows.div_ceil(4)) * u64::from(columns) * u64::from(lanes);
    let pairs = 4.0 * f64::from(batch) * f64::from(width) * panel.pairs(time, causal);
    let cost = Cost { flops: 14.0 * pairs, bytes: 3.0 * pairs };
    let dispatch = b.gpu.dispatch(&GRADIENT_BIAS, &variant, &params, &binds, threads.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

fn variant(placement: Placement, heads: u32, centred: Option<bool>) -> Variant {
    let mut constants = vec![("HEADS", heads)];
    constants.extend(centred.map(|centred| ("CENTRED", u32::from(centred))));
    Variant { placement, constants }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let mut all = Vec::new();
    for heads in 0..3 {
        for kernel in &FORWARD {
            all.extend([false, true].map(|centred| (kernel, variant(placement, heads, Some(centred)))));
        }
        all.extend(GRADIENT.iter().map(|kernel| (kernel, variant(placement, heads, None))));
    }
    for lanes in BIAS_LANES {
        let mut variant = variant(placement, 0, None);
        variant.constants.push(("LANES", lanes));
        all.push((&GRADIENT_BIAS, variant));
    }
    all
}
