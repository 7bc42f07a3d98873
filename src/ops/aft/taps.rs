//! The taps of AFT-conv on a line or a grid, and their gradient (`shaders/aft/taps_grad.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Variant, params};
use crate::ops::aft::dense::Rowed;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::pairs::Rows;
use crate::ops::{Builder, Gradient, trips};

params! {
    /// As in `shaders/aft/taps_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, width: u32, causal: u32, masked: u32, size: u32, taps: u32, grid_columns: u32,
        heads: u32, padded_heads: u32, head_channels: u32, rows_per_slice: u32, slice_stride: u32, accumulate: u32,
        qkv_stride: u32, centre_stride: u32, lr_stride: u32, g_stride: u32,
    }
}

macro_rules! gradient {
    ($place:literal) => {
        Kernel {
            stem: "aft/taps_grad",
            entry: "gradient_taps",
            source: &[
                include_str!("../../../shaders/lib/grid.wgsl"),
                include_str!("../../../shaders/lib/row_sum.wgsl"),
                include_str!("../../../shaders/lib/aft_bounds.wgsl"),
                include_str!("../../../shaders/lib/aft_qkv.wgsl"),
                include_str!("../../../shaders/lib/aft_mask.wgsl"),
                include_str!(concat!("../../../shaders/lib/", $place, ".wgsl")),
                include_str!("../../../shaders/aft/taps_grad.wgsl"),
            ],
            params: GradientParams::FIELDS,
            operands: &[
                Operand::plane("qkv", "[B T, 3 D]"),
                Operand::array("mask", "u32", "[B, T]"),
                Operand::plane("centre", "[B, D]"),
                Operand::array("taps", "f32", "[H, S]"),
                Operand::plane("lr", "[B T, 2 D]"),
                Operand::plane("g", "[B T, D]"),
                Operand::array_out("out", "vec4<f32>", "[slices, H, S]"),
            ],
        }
    };
}

/// On a line, and on a grid.
static GRADIENT: [Kernel; 2] = [gradient!("aft_line"), gradient!("aft_grid")];

/// The kernel of AFT-conv: taps [H, S] on a line, [H, S, S] on a grid.
#[derive(Debug, Clone, Copy)]
pub struct Taps<'a> {
    /// A row of floats a head, padded with zeros to whole vec4s.
    pub values: &'a Buffer,
    /// Heads H, which divide the channels.
    pub heads: u32,
    /// The size S of the kernel.
    pub size: u32,
    /// Columns of the grid; none on a line. The positions of a sequence are whole rows of it.
    pub grid: Option<u32>,
}

impl Taps<'_> {
    /// Taps of a head.
    pub fn count(&self) -> u32 {
        if self.grid.is_some() { self.size * self.size } else { self.size }
    }

    /// vec4s of a head.
    pub(crate) fn quads(&self) -> u32 {
        self.count().div_ceil(4)
    }

    /// Floats of all heads, padding included.
    pub fn padded(&self) -> u64 {
        4 * u64::from(self.heads) * u64::from(self.quads())
    }

    pub(crate) fn rowed(&self) -> Rowed<'_> {
        Rowed { buffer: self.values, offset_bytes: 0, columns: self.count(), stride: 4 * self.quads() }
    }

    pub(crate) fn check(&self, mix: &Mix<'_>) -> Result<()> {
        let &Self { values, heads, size, grid } = self;
        let fail = |text: String| Err(Error::Config(text));
        if heads == 0 || !mix.channels.is_multiple_of(heads) {
            return fail(format!("aft conv: {heads} heads do not divide {} channels", mix.channels));
        }
        if size > 1 << 15 {
            return Err(Error::LimitExceeded {
                what: "aft conv: the size of a kernel".into(),
                limit: "taps on a line, or rows of a kernel on a grid",
                needed: size.into(),
                granted: 1 << 15,
                advice: "AFT-local, whose window may be as long as the sequence".into(),
            });
        }
        if size == 0 || (size.is_multiple_of(2) && (grid.is_some() || !mix.causal)) {
            return fail(format!("aft conv: a kernel has an odd size, on a causal line any; not {size}"));
        }
        if let Some(columns) = grid
            && (columns == 0 || !mix.time.is_multiple_of(columns))
        {
            return fail(format!("aft conv: {} positions are no whole rows of {columns}", mix.time));
        }
        if values.size() < 4 * self.padded() {
            return Err(Error::shape("aft conv: taps", format!("{} bytes", 4 * self.padded()), values.size()));
        }
        Ok(())
    }

    pub(crate) fn head_channels(&self, mix: &Mix<'_>) -> u32 {
        mix.channels / self.heads
    }
}

/// Adds the gradient of the taps, laid out as they are.
pub(crate) fn gradient(b: &mut Builder, mix: &Mix<'_>, taps: &Taps<'_>, rows: &Rows<'_>, out: &Gradient) -> Result<()> {
    let quads = taps.quads();
    let padded_heads = out.first_len / quads;
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    let head_channels = taps.head_channels(mix);
    // vec4s that the channels of a head touch, and the loop around them.
    let inner = u64::from(head_channels.div_ceil(4)) + 2;
    let all = batch * time;
    let longest = (trips::MAX_TRIPS / 2 / inner).max(1) * 64;
    let parallel = b.planned([8_u64, 256]).div_ceil(u64::from(taps.heads) * u64::from(quads)).max(1);
    // What a processor reads of the rows of a slice should stay in its caches until the next four taps; but slices are no larger,
    // all together, than a plane of channels.
    let cached = b.planned([u64::from(all).div_ceil(1024), 1]);
    let cached = cached.min(u64::from(all) * u64::from(channels) / taps.padded());
    let rows_per_slice = u64::from(all).div_ceil(parallel.max(cached)).min(longest).max(64) as u32;
    trips::check("aft conv: a row's channels of a head", 64 + inner * u64::from(rows_per_slice.div_ceil(64)))?;
    let sliced = out.slices(b, all.div_ceil(rows_per_slice))?;
    let params = GradientParams {
        batch,
        time,
        width: rows.g.stride(),
        causal: causal.into(),
        masked: mix.masked(),
        size: taps.size,
        taps: taps.count(),
        grid_columns: taps.grid.unwrap_or(1),
        heads: taps.heads,
        padded_heads,
        head_channels,
        rows_per_slice,
        slice_stride: sliced.stride,
        accumulate: sliced.accumulate,
        qkv_stride: rows.qkv.stride(),
        centre_stride: rows.centre.stride(),
        lr_stride: rows.lr.stride(),
        g_stride: rows.g.stride(),
    };
    let binds = [
        Bind::Plane(rows.qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(rows.centre),
        Bind::Buffer(taps.values),
        Bind::Plane(rows.lr),
        Bind::Plane(rows.g),
        sliced.bind(),
    ];
    let groups = u64::from(sliced.slices) * u64::from(padded_heads) * u64::from(quads);
    let terms = f64::from(all) * f64::from(channels) * f64::from(taps.count());
    let cost = Cost { flops: 16.0 * terms, bytes: 12.0 * terms };
    let kernel = &GRADIENT[usize::from(taps.grid.is_some())];
    let dispatch = b.gpu.dispatch(kernel, &variant(b.placement), &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    sliced.finish(b)
}

fn variant(placement: Placement) -> Variant {
    Variant { placement, constants: vec![("LANES", 64)] }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    GRADIENT.iter().map(|kernel| (kernel, variant(placement))).collect()
}
