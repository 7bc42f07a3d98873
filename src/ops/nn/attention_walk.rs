//! Tiling of attention (`shaders/lib/attention*.wgsl`): a tile has a strip of rows and a panel of keys.

use crate::error::Result;
use crate::gpu::{Array, Call, Cost, Kernel, Placement, Plane, Product, Specialization, kernel, shared_params};
use crate::ops::Builder;
use crate::ops::nn::attention_operands::Attention;

shared_params! {
    /// Parameters that the attention kernels share (`shaders/lib/attention.wgsl`).
    pub(super) struct WalkParams {
        batch: u32, time: u32, heads: u32,
        /// vec4s of a head.
        head_width: u32,
        first_row: u32, rows: u32, strip: u32, first_key: u32, keys: u32,
        /// vec4s of keys of a head in a score plane.
        panel: u32,
        causal: u32, first: u32, last: u32, out_column: u32,
        /// 1 / sqrt(channels of a head).
        scale: f32,
    }
}

kernel! {
    /// Scores of a tile.
    struct ScoresKernel = "nn/attention_scores", "scores_of";
    fragments: ["grid", "run_time", "attention_head", "attention_qkv", "attention_keys", "attention"],
    params: { walk: WalkParams },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        write scores: &'a Plane = "[B strip, H panel]",
    },
}

/// Size of a tile.
#[derive(Clone, Copy)]
pub(super) struct Pieces {
    /// Rows of a strip: all rows, or a power of two.
    pub(super) strip: u32,
    /// Keys of a panel, in whole vec4s: all keys, or a power of two that is a multiple of a strip.
    pub(super) panel: u32,
}

/// Most keys of a panel: one level of a sum adds its terms, four at a time.
const PANEL: u32 = 1024;
/// Most numbers in a score plane (64 MiB), as long as tiles can be made smaller.
const PAIRS: u64 = 1 << 24;
/// Fewest rows of a strip, unless a sequence is shorter: the rows of the largest matrix-product tile.
const LEAST: u32 = 64;

impl Pieces {
    pub(super) fn of(b: &Builder, attention: &Attention<'_>) -> Self {
        let Attention { batch, time, heads, .. } = *attention;
        let side = b.gpu.caps().limits.max_texture_dimension_2d;
        let fits = |strip: u32, panel: u32| {
            let numbers = u64::from(batch) * u64::from(heads) * u64::from(strip) * u64::from(panel);
            // The gradient carries sums of a panel's keys from strip to strip.
            let rows = u64::from(batch) * u64::from(if time > strip { panel } else { strip });
            let within = |rows: u64, cols: u64| rows <= side.into() && cols <= side.into();
            let texture = b.placement == Placement::Texture;
            numbers <= PAIRS && (!texture || within(rows, u64::from(heads) * u64::from(panel / 4)))
        };
        // Long sequences take larger strips: the number of dispatches grows with the square of the number of strips.
        let strip = b.tuning().attention_rows.max(time.next_power_of_two() / 64).min(PANEL);
        // At most the sequence: a large batch of short sequences then takes no more rows than its qkv.
        let mut pieces = Self { strip: strip.min(time), panel: PANEL.min(time.next_multiple_of(4)) };
        while !fits(pieces.strip, pieces.panel) && pieces.panel > LEAST {
            let smaller = if pieces.strip > LEAST { &mut pieces.strip } else { &mut pieces.panel };
            *smaller = smaller.next_power_of_two() / 2;
        }
        pieces
    }

    /// First position and length of each strip or panel of `size`.
    pub(super) fn cut(time: u32, size: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> + Clone {
        (0..time.div_ceil(size)).map(move |i| (i * size, size.min(time - i * size)))
    }
}

/// Tiling that the dispatches of a pass share.
pub(super) struct Walk<'a> {
    pub(super) attention: &'a Attention<'a>,
    pub(super) pieces: Pieces,
    pub(super) head_width: u32,
}

impl Walk<'_> {
    /// Parameters of a tile of rows from `first_row` and keys from `first_key`; if causal, only the keys that the last
    /// row sees.
    pub(super) fn params(&self, (first_row, rows): (u32, u32), (first_key, keys): (u32, u32)) -> WalkParams {
        let Attention { batch, time, channels, heads, causal, .. } = *self.attention;
        let seen = if causal { keys.min(first_row + rows - first_key) } else { keys };
        WalkParams {
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
            first: 0,
            last: 0,
            out_column: 0,
            scale: (f64::from(channels) / f64::from(heads)).sqrt().recip() as f32,
        }
    }

    /// Whether any row of the tile sees any of its keys.
    pub(super) fn meet(&self, (first_row, rows): (u32, u32), (first_key, _): (u32, u32)) -> bool {
        !self.attention.causal || first_key < first_row + rows
    }

    /// A score plane: a value for each row and key of a tile, [B strip, H panel].
    pub(super) fn pairs(&self, b: &mut Builder, label: &str) -> Result<Plane> {
        let Attention { batch, heads, .. } = *self.attention;
        b.plane(label, batch * self.pieces.strip, heads * self.pieces.panel)
    }

    /// The constant MASKED (`shaders/lib/attention_keys.wgsl`).
    pub(super) fn masked(&self) -> (&'static str, u32) {
        ("MASKED", self.attention.mask.is_some().into())
    }

    pub(super) fn mask(&self) -> Option<Array<'_, u32>> {
        self.attention.mask.map(Array::from)
    }

    /// Adds a matrix product [rows, inner, cols] for each head.
    pub(super) fn product<C: Call>(
        &self,
        b: &mut Builder,
        call: &C,
        masked: bool,
        [rows, inner, cols]: [u32; 3],
    ) -> Result<()> {
        let product = b.tuning().product;
        let slices = self.attention.batch * self.attention.heads;
        let mut special = product.special(b.placement).with("COLUMN_SUMS", 0u32);
        special.constants.extend(masked.then(|| self.masked()));
        let [n, m, k] = [slices, rows, cols].map(f64::from);
        let inner = f64::from(inner);
        let cost = Cost { flops: 2.0 * n * m * k * inner, bytes: 4.0 * n * (m * inner + inner * k + m * k) };
        b.run(call, &special, product.groups([rows, 0, cols], slices), cost)
    }

    pub(super) fn channels(&self) -> u32 {
        4 * self.head_width
    }

    pub(super) fn scores(&self, b: &mut Builder, walk: WalkParams, qkv: &Plane, scores: &Plane) -> Result<()> {
        let call = ScoresKernel { walk, qkv, mask: self.mask(), scores };
        self.product(b, &call, true, [walk.rows, self.channels(), walk.keys])
    }
}

/// Partial sums carried from one dispatch to the next, in two alternating planes.
pub(super) struct Kept {
    planes: Option<[Plane; 2]>,
    turn: usize,
}

/// Partial sums that a dispatch reads (none for the first), and the plane that it stores to.
pub(super) struct Between<'a> {
    pub(super) before: Option<&'a Plane>,
    pub(super) out: &'a Plane,
    last: bool,
}

impl Kept {
    /// Two planes of sums; none unless there are `several` dispatches.
    pub(super) fn new(b: &mut Builder, several: bool, rows: u32, cols: u32) -> Result<Self> {
        let mut plane = || b.plane("attention sums", rows, cols);
        let planes = if several { Some([plane()?, plane()?]) } else { None };
        Ok(Self { planes, turn: 0 })
    }

    /// Swaps the planes: the next dispatches read what the last ones stored.
    pub(super) fn turn(&mut self) {
        self.turn = 1 - self.turn;
    }

    /// The planes of a dispatch; the last one stores into `end`.
    pub(super) fn between<'a>(&'a self, first: bool, last: bool, end: &'a Plane) -> Between<'a> {
        let plane = |turn: usize| self.planes.as_ref().map(|planes| &planes[turn]);
        let before = if first { None } else { plane(1 - self.turn) };
        let out = if last { end } else { plane(self.turn).unwrap_or(end) };
        Between { before, out, last }
    }
}

impl Between<'_> {
    pub(super) fn params(&self, walk: WalkParams) -> WalkParams {
        WalkParams { first: self.before.is_none().into(), last: self.last.into(), ..walk }
    }
}

/// A matrix product with both bodies, without and with a mask.
pub(super) fn masked_or_not(
    kernel: &'static Kernel,
    placement: Placement,
) -> impl Iterator<Item = (&'static Kernel, Specialization)> {
    products(kernel, placement)
        .flat_map(|(kernel, special)| [0u32, 1].map(|masked| (kernel, special.clone().with("MASKED", masked))))
}

/// A matrix product with both bodies.
pub(super) fn products(
    kernel: &'static Kernel,
    placement: Placement,
) -> impl Iterator<Item = (&'static Kernel, Specialization)> {
    Product::ALL.into_iter().map(move |product| (kernel, product.special(placement).with("COLUMN_SUMS", 0u32)))
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    masked_or_not(ScoresKernel::KERNEL, placement).collect()
}
