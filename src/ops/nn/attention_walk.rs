//! How attention walks over pairs of rows and keys (`shaders/lib/attention*.wgsl`): a strip of rows and a panel of keys at a time.

use crate::error::Result;
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::nn::attention::Attention;
use crate::ops::nn::linear::Plan;

params! {
    /// As in `shaders/lib/attention.wgsl`.
    Params {
        batch: u32, time: u32, heads: u32, head_width: u32, first_row: u32, rows: u32, strip: u32, first_key: u32, keys: u32,
        panel: u32, causal: u32, first: u32, last: u32, out_column: u32, scale: f32, qkv_stride: u32, scores_stride: u32,
        weights_stride: u32, slopes_stride: u32, x_stride: u32, y_stride: u32, dy_stride: u32, before_stride: u32, out_stride: u32,
    }
}

macro_rules! kernel {
    ($stem:literal, $entry:literal, [$($part:literal),*], $operands:expr) => {
        Kernel {
            stem: $stem,
            entry: $entry,
            source: &[
                include_str!("../../../shaders/lib/grid.wgsl"),
                include_str!("../../../shaders/lib/run_time.wgsl"),
                $(include_str!(concat!("../../../shaders/lib/", $part, ".wgsl")),)*
                include_str!("../../../shaders/lib/attention.wgsl"),
                include_str!(concat!("../../../shaders/", $stem, ".wgsl")),
            ],
            params: Params::FIELDS,
            operands: $operands,
        }
    };
}

/// A matrix product in both of its bodies, for processors and for GPUs.
macro_rules! products {
    ($stem:literal, $entry:literal, [$($part:literal),*], $operands:expr) => {
        [
            kernel!($stem, $entry, ["gemm_direct", $($part),*], $operands),
            kernel!($stem, $entry, ["gemm_tiled", $($part),*], $operands),
        ]
    };
}

pub(super) use {kernel, products};

static SCORES: [Kernel; 2] = products!(
    "nn/attention_scores",
    "scores_of",
    ["attention_head", "attention_qkv", "attention_keys"],
    &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane_out("scores", "[B strip, H panel]"),
    ]
);

/// Rows and keys that are at hand at once.
#[derive(Clone, Copy)]
pub(super) struct Pieces {
    /// Rows of a strip: all there are, or a power of two.
    pub(super) strip: u32,
    /// Keys of a panel, whole vec4s: all there are, or a power of two that is a multiple of a strip.
    pub(super) panel: u32,
}

/// Rows of a strip in the plans for processors and for GPUs, which need more of them to be filled.
const STRIP: [u32; 2] = [128, 512];
/// Keys of a panel: the terms that one level of a sum adds, four at a time.
const PANEL: u32 = 1024;
/// Numbers in a plane of pairs, 64 MiB, if a smaller strip can help it.
const PAIRS: u64 = 1 << 24;
/// The fewest rows of a strip that is not all there are: the largest tile.
const LEAST: u32 = 64;

impl Pieces {
    pub(super) fn of(b: &Builder, attention: &Attention<'_>) -> Self {
        let Attention { batch, time, heads, .. } = *attention;
        let side = b.gpu.caps().limits.max_texture_dimension_2d;
        let fits = |strip: u32, panel: u32| {
            let numbers = u64::from(batch) * u64::from(heads) * u64::from(strip) * u64::from(panel);
            // The gradient keeps the sums of a panel's keys from strip to strip.
            let rows = u64::from(batch) * u64::from(if time > strip { panel } else { strip });
            let within = |rows: u64, cols: u64| rows <= side.into() && cols <= side.into();
            let texture = b.placement == Placement::Texture;
            numbers <= PAIRS && (!texture || within(rows, u64::from(heads) * u64::from(panel / 4)))
        };
        // Long sequences take larger strips: the number of dispatches grows with the square of theirs.
        let strip = b.planned(STRIP).max(time.next_power_of_two() / 64).min(PANEL);
        // No more than there is: short sequences in any number then take no more rows than their qkv.
        let mut pieces = Self { strip: strip.min(time), panel: PANEL.min(time.next_multiple_of(4)) };
        while !fits(pieces.strip, pieces.panel) && pieces.panel > LEAST {
            let smaller = if pieces.strip > LEAST { &mut pieces.strip } else { &mut pieces.panel };
            *smaller = smaller.next_power_of_two() / 2;
        }
        pieces
    }

    /// The first positions of strips or panels of `size`, and how many they have.
    pub(super) fn cut(time: u32, size: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> + Clone {
        (0..time.div_ceil(size)).map(move |i| (i * size, size.min(time - i * size)))
    }
}

/// What the dispatches of a pass share.
pub(super) struct Walk<'a> {
    pub(super) attention: &'a Attention<'a>,
    pub(super) pieces: Pieces,
    pub(super) head_width: u32,
}

impl Walk<'_> {
    /// Rows from `first_row` on against keys from `first_key` on: of these as many as the last row sees.
    pub(super) fn params(&self, (first_row, rows): (u32, u32), (first_key, keys): (u32, u32)) -> Params {
        let Attention { batch, time, channels, heads, causal, .. } = *self.attention;
        let seen = if causal { keys.min(first_row + rows - first_key) } else { keys };
        Params {
            batch,
            time,
            heads,
            head_width: self.head_width,
            first_row,
            rows,
            strip: self.pieces.strip,
            first_key,
            keys: seen,
            panel: self.pieces.panel / 4,
            causal: causal.into(),
            scale: (f64::from(channels) / f64::from(heads)).sqrt().recip() as f32,
            ..Default::default()
        }
    }

    /// Whether any of the rows sees any of the keys.
    pub(super) fn meet(&self, (first_row, rows): (u32, u32), (first_key, _): (u32, u32)) -> bool {
        !self.attention.causal || first_key < first_row + rows
    }

    /// A plane of pairs.
    pub(super) fn pairs(&self, b: &mut Builder, label: &str) -> Result<Plane> {
        let Attention { batch, heads, .. } = *self.attention;
        b.plane(label, batch * self.pieces.strip, heads * self.pieces.panel)
    }

    fn masked(&self) -> (&'static str, u32) {
        ("MASKED", self.attention.mask.is_some().into())
    }

    pub(super) fn mask(&self) -> Bind<'_> {
        self.attention.mask.map_or(Bind::Absent, Bind::Buffer)
    }

    /// Adds a matrix product [rows, inner, cols] of each head.
    pub(super) fn product(
        &self,
        b: &mut Builder,
        kernels: &'static [Kernel; 2],
        masked: bool,
        params: &Params,
        binds: &[Bind<'_>],
        [rows, inner, cols]: [u32; 3],
    ) -> Result<()> {
        let plan = Plan::new(b);
        let slices = self.attention.batch * self.attention.heads;
        let mut constants = vec![("COLUMN_SUMS", 0)];
        constants.extend(masked.then(|| self.masked()));
        let [n, m, k] = [slices, rows, cols].map(f64::from);
        let inner = f64::from(inner);
        let cost = Cost { flops: 2.0 * n * m * k * inner, bytes: 4.0 * n * (m * inner + inner * k + m * k) };
        let variant = Variant { placement: b.placement, constants };
        let kernel = &kernels[plan as usize];
        let dispatch = b.gpu.dispatch(kernel, &variant, params, binds, plan.groups([rows, 0, cols], slices), cost)?;
        b.program.dispatch(dispatch);
        Ok(())
    }

    pub(super) fn channels(&self) -> u32 {
        4 * self.head_width
    }

    pub(super) fn scores(&self, b: &mut Builder, params: &Params, qkv: &Plane, scores: &Plane) -> Result<()> {
        let params = Params { qkv_stride: qkv.stride(), scores_stride: scores.stride(), ..*params };
        let binds = [Bind::Plane(qkv), self.mask(), Bind::Plane(scores)];
        self.product(b, &SCORES, true, &params, &binds, [params.rows, self.channels(), params.keys])
    }
}

/// Sums that go from one dispatch to the next: each reads what the one before it left, and leaves its own.
pub(super) struct Kept {
    planes: Option<[Plane; 2]>,
    turn: usize,
}

/// What a dispatch reads, unless it is the first, and where it stores.
pub(super) struct Between<'a> {
    before: Option<&'a Plane>,
    out: &'a Plane,
    last: bool,
}

impl Kept {
    /// Without `several` dispatches there is nothing to keep.
    pub(super) fn new(b: &mut Builder, several: bool, rows: u32, cols: u32) -> Result<Self> {
        let mut plane = || b.plane("attention sums", rows, cols);
        let planes = if several { Some([plane()?, plane()?]) } else { None };
        Ok(Self { planes, turn: 0 })
    }

    /// The next dispatches read what those before the turn left.
    pub(super) fn turn(&mut self) {
        self.turn = 1 - self.turn;
    }

    /// For a dispatch; the last one stores into `end`.
    pub(super) fn between<'a>(&'a self, first: bool, last: bool, end: &'a Plane) -> Between<'a> {
        let plane = |turn: usize| self.planes.as_ref().map(|planes| &planes[turn]);
        let before = if first { None } else { plane(1 - self.turn) };
        let out = if last { end } else { plane(self.turn).unwrap_or(end) };
        Between { before, out, last }
    }

    pub(super) fn planes(self) -> impl Iterator<Item = Plane> {
        self.planes.into_iter().flatten()
    }
}

impl Between<'_> {
    pub(super) fn params(&self, params: &Params) -> Params {
        Params {
            first: self.before.is_none().into(),
            last: self.last.into(),
            before_stride: self.before.map_or(0, Plane::stride),
            out_stride: self.out.stride(),
            ..*params
        }
    }

    pub(super) fn binds(&self) -> [Bind<'_>; 2] {
        [self.before.map_or(Bind::Absent, Bind::Plane), Bind::Plane(self.out)]
    }
}

/// The variants of a matrix product that may have a mask.
pub(super) fn masked_or_not(
    kernels: &'static [Kernel; 2],
    placement: Placement,
) -> impl Iterator<Item = (&'static Kernel, Variant)> {
    let variant = move |masked| Variant { placement, constants: vec![("COLUMN_SUMS", 0), ("MASKED", masked)] };
    kernels.iter().flat_map(move |kernel| [0, 1].map(|masked| (kernel, variant(masked))))
}

pub(super) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    masked_or_not(&SCORES, placement).collect()
}
