//! The taps of AFT-conv on a line or a grid, and their gradient (`shaders/aft/taps_grad.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Fragment, Kernel, Placement, Plane, Specialization, fragment, kernel};
use crate::ops::aft::dense::Rowed;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::pairs::Rows;
use crate::ops::{Builder, Gradient, trips};

kernel! {
    /// `shaders/aft/taps_grad.wgsl`, with the body [`place`].
    struct GradientKernel = "aft/taps_grad", "gradient_taps";
    fragments: ["grid", "row_sum", "aft_bounds", "aft_qkv", "aft_mask"],
    params: {
        batch: u32, time: u32, width: u32, causal: u32, size: u32, tap_count: u32, grid_columns: u32, heads: u32,
        /// Heads with those that only pad the output, which get 0.
        padded_heads: u32,
        head_channels: u32, rows_per_slice: u32, slice_stride: u32, accumulate: u32,
    },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: &'a Plane = "[B, D]",
        read taps: Array<'a, f32> = "[H, S]",
        read lr: &'a Plane = "[B T, 2 D]",
        read g: &'a Plane = "[B T, D]",
        write out: Array<'a, [f32; 4]> = "[slices, H, S]",
    },
}

/// How a tap's key is found: on a line, or on a grid.
fn place(grid: bool) -> Fragment {
    if grid { fragment!("lib/aft_grid") } else { fragment!("lib/aft_line") }
}

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
            return fail(format!("aft conv: H = {heads} heads do not divide D = {} channels", mix.channels));
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
            return fail(format!(
                "aft conv: the size S of a kernel is odd, or on a causal line at least 1, not {size}"
            ));
        }
        if let Some(columns) = grid
            && (columns == 0 || !mix.time.is_multiple_of(columns))
        {
            return fail(format!(
                "aft conv: T = {} positions do not fill whole rows of a grid of {columns} columns",
                mix.time
            ));
        }
        if values.size() < 4 * self.padded() {
            return Err(Error::shape("aft conv: taps", format!("at least {} bytes", 4 * self.padded()), values.size()));
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
    let parallel = u64::from(b.tuning().tap_workgroups).div_ceil(u64::from(taps.heads) * u64::from(quads)).max(1);
    // Slices are no larger, all together, than a plane of channels.
    let cached = u64::from(all.div_ceil(b.tuning().tap_rows));
    let cached = cached.min(u64::from(all) * u64::from(channels) / taps.padded());
    let rows_per_slice = u64::from(all).div_ceil(parallel.max(cached)).min(longest).max(64) as u32;
    trips::check("aft conv: a row's channels of a head", 64 + inner * u64::from(rows_per_slice.div_ceil(64)))?;
    let sliced = out.slices(b, all.div_ceil(rows_per_slice))?;
    let call = GradientKernel {
        batch,
        time,
        width: rows.g.stride(),
        causal: causal.into(),
        size: taps.size,
        tap_count: taps.count(),
        grid_columns: taps.grid.unwrap_or(1),
        heads: taps.heads,
        padded_heads,
        head_channels,
        rows_per_slice,
        slice_stride: sliced.stride,
        accumulate: sliced.accumulate,
        qkv: rows.qkv,
        mask: mask.map(Array::from),
        centre: rows.centre,
        taps: taps.values.into(),
        lr: rows.lr,
        g: rows.g,
        out: sliced.array(),
    };
    let groups = u64::from(sliced.slices) * u64::from(padded_heads) * u64::from(quads);
    let terms = f64::from(all) * f64::from(channels) * f64::from(taps.count());
    let cost = Cost { flops: 16.0 * terms, bytes: 12.0 * terms };
    b.run(&call, &special(b.placement, taps.grid.is_some()), groups, cost)?;
    sliced.finish(b)
}

fn special(placement: Placement, grid: bool) -> Specialization {
    Specialization::new(placement).body(place(grid)).with("LANES", 64u32)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    [false, true].map(|grid| (GradientKernel::KERNEL, special(placement, grid))).into()
}
