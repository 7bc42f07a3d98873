//! AFT-conv on a grid, position by position over the taps of its kernel, and its gradient (`shaders/aft/grid.wgsl`,
//! `grid_grad.wgsl`). The work is that of T S^2 taps; what lies outside of them comes from `grid_rest.rs`.

use crate::error::Result;
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::grid_rest;
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::pairs::Rows;
use crate::ops::aft::panels::heads;
use crate::ops::aft::rest::Items;
use crate::ops::aft::taps::Taps;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/grid.wgsl`.
    struct ForwardKernel = "aft/grid", "forward";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_qkv", "aft_mask", "aft_gate", "aft_rest", "aft_mean", "aft_grid_taps"],
    params: {
        batch: u32, time: u32, cols: u32, width: u32, grid_rows: u32, grid_columns: u32, size: u32,
        head_channels: u32, causal: u32, gated: u32,
    },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: Option<&'a Plane> = "[B, D]",
        read taps: Array<'a, f32> = "[H, S, S]",
        read rest: Option<Array<'a, [f32; 4]>> = "[3 or 4, B T, D]",
        write y: &'a Plane = "[B T, D]",
        write lr: Option<&'a Plane> = "[B T, 2 D]",
    },
}

kernel! {
    /// `shaders/aft/grid_grad.wgsl`.
    struct GradientKernel = "aft/grid_grad", "gradient";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_qkv", "aft_mask", "aft_rest", "aft_shares", "aft_grid_taps"],
    params: {
        batch: u32, time: u32, cols: u32, width: u32, grid_rows: u32, grid_columns: u32, size: u32,
        head_channels: u32, causal: u32,
    },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: &'a Plane = "[B, D]",
        read taps: Array<'a, f32> = "[H, S, S]",
        read lr: &'a Plane = "[B T, 2 D]",
        read g: &'a Plane = "[B T, D]",
        read rest: Option<Array<'a, [f32; 4]>> = "[3, B T, D]",
        write dqkv: &'a Plane = "[B T, 3 D]",
    },
}

/// Taps on a grid of `rows` x `columns` positions.
#[derive(Clone, Copy)]
pub(crate) struct Grid<'a> {
    pub(crate) taps: Taps<'a>,
    pub(crate) rows: u32,
    pub(crate) columns: u32,
}

impl Grid<'_> {
    /// Rows and columns of taps to each side of the middle.
    pub(crate) fn half(&self) -> u32 {
        (self.taps.size - 1) / 2
    }

    /// Rows of taps that exist for a position, at most.
    fn tap_rows(&self, causal: bool) -> u32 {
        self.rows.min(if causal { self.half() + 1 } else { self.taps.size })
    }

    /// Fails where a tile of four positions would walk over too many taps.
    fn check(&self, what: &str, causal: bool) -> Result<()> {
        let row = u64::from(self.columns.min(self.taps.size + 3)) + 2;
        trips::check(what, 4 + row * u64::from(self.tap_rows(causal)))
    }

    /// Workgroups of a kernel with a thread for each tile and vec4 of channels.
    fn groups(&self, mix: &Mix<'_>, width: u32) -> u64 {
        let tiles = u64::from(mix.batch) * u64::from(self.rows) * u64::from(self.columns.div_ceil(4));
        (tiles * u64::from(width)).div_ceil(64)
    }

    /// Of all tiles, where a thread loads so many bytes for a tap of four positions.
    fn cost(&self, mix: &Mix<'_>, width: u32, bytes: f64) -> Cost {
        let keys = f64::from(self.columns.min(self.taps.size + 3)) * f64::from(self.tap_rows(mix.causal));
        let threads = 64.0 * self.groups(mix, width) as f64;
        Cost { flops: 200.0 * threads * keys, bytes: threads * (bytes * keys + 400.0) }
    }

    fn variant(&self, mix: &Mix<'_>, placement: Placement, centred: Option<bool>) -> Specialization {
        let several = self.taps.heads > 1;
        variant(placement, heads(several.then(|| self.taps.head_channels(mix))), centred)
    }
}

/// Adds y and, for the gradient, L and r.
pub(crate) fn forward(b: &mut Builder, mix: &Mix<'_>, grid: &Grid<'_>, qkv: &Plane, out: &Mixed) -> Result<()> {
    let Mix { batch, time, causal, gated, mask, .. } = *mix;
    grid.check("aft conv: a position over its taps", causal)?;
    let (width, saved) = (out.y.stride(), out.saved.as_ref());
    let centre = saved.map(|saved| &saved.centre);
    let rest = grid_rest::sums(b, mix, grid, Items::Keys { qkv, centre })?;
    let call = ForwardKernel {
        batch,
        time,
        cols: out.y.cols,
        width,
        grid_rows: grid.rows,
        grid_columns: grid.columns,
        size: grid.taps.size,
        head_channels: grid.taps.head_channels(mix),
        causal: causal.into(),
        gated: gated.into(),
        qkv,
        mask: mask.map(Array::from),
        centre,
        taps: grid.taps.values.into(),
        rest: rest.as_ref().map(Array::from),
        y: &out.y,
        lr: saved.map(|saved| &saved.lr),
    };
    let variant = grid.variant(mix, b.placement, Some(saved.is_some()));
    let (groups, cost) = (grid.groups(mix, width), grid.cost(mix, width, 48.0));
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

/// Adds dk and dv.
pub(crate) fn gradient(b: &mut Builder, mix: &Mix<'_>, grid: &Grid<'_>, rows: &Rows<'_>, dqkv: &Plane) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    grid.check("aft conv: a key over the positions that see it", causal)?;
    let width = rows.g.stride();
    let rest: Option<Buffer> = grid_rest::sums(b, mix, grid, Items::Rows { lr: rows.lr, g: rows.g })?;
    let call = GradientKernel {
        batch,
        time,
        cols: channels,
        width,
        grid_rows: grid.rows,
        grid_columns: grid.columns,
        size: grid.taps.size,
        head_channels: grid.taps.head_channels(mix),
        causal: causal.into(),
        qkv: rows.qkv,
        mask: mask.map(Array::from),
        centre: rows.centre,
        taps: grid.taps.values.into(),
        lr: rows.lr,
        g: rows.g,
        rest: rest.as_ref().map(Array::from),
        dqkv,
    };
    let variant = grid.variant(mix, b.placement, None);
    let (groups, cost) = (grid.groups(mix, width), grid.cost(mix, width, 64.0));
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

fn variant(placement: Placement, heads: u32, centred: Option<bool>) -> Specialization {
    let special = Specialization::new(placement).with("HEADS", heads);
    match centred {
        Some(centred) => special.with("CENTRED", centred),
        None => special,
    }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let of_heads = |heads| {
        [
            (ForwardKernel::KERNEL, variant(placement, heads, Some(false))),
            (ForwardKernel::KERNEL, variant(placement, heads, Some(true))),
            (GradientKernel::KERNEL, variant(placement, heads, None)),
        ]
    };
    (0..3).flat_map(of_heads).collect()
}
