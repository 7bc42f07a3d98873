//! AFT-conv on a grid, position by position over the taps of its kernel, and its gradient (`shaders/aft/grid.wgsl`,
//! `grid_grad.wgsl`). The work is that of T S^2 taps; what lies outside of them comes from `grid_rest.rs`.

use crate::error::Result;
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::grid_rest;
use crate::ops::aft::mix::{Mix, Mixed};
use crate::ops::aft::pairs::Rows;
use crate::ops::aft::panels::heads;
use crate::ops::aft::rest::Items;
use crate::ops::aft::taps::Taps;
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/aft/grid.wgsl`.
    ForwardParams {
        batch: u32, time: u32, cols: u32, width: u32, grid_rows: u32, grid_columns: u32, size: u32, head_channels: u32,
        causal: u32, gated: u32, masked: u32, has_rest: u32, qkv_stride: u32, centre_stride: u32, y_stride: u32,
        lr_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/grid_grad.wgsl`.
    GradientParams {
        batch: u32, time: u32, cols: u32, width: u32, grid_rows: u32, grid_columns: u32, size: u32, head_channels: u32,
        causal: u32, masked: u32, has_rest: u32, qkv_stride: u32, centre_stride: u32, lr_stride: u32, g_stride: u32,
        dqkv_stride: u32,
    }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/grid",
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
        include_str!("../../../shaders/lib/aft_grid_taps.wgsl"),
        include_str!("../../../shaders/aft/grid.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::array("taps", "f32", "[H, S, S]"),
        Operand::array("rest", "vec4<f32>", "[3 or 4, B T, D]"),
        Operand::plane_out("y", "[B T, D]"),
        Operand::plane_out("lr", "[B T, 2 D]"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "aft/grid_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_sums.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_rest.wgsl"),
        include_str!("../../../shaders/lib/aft_shares.wgsl"),
        include_str!("../../../shaders/lib/aft_grid_taps.wgsl"),
        include_str!("../../../shaders/aft/grid_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::array("taps", "f32", "[H, S, S]"),
        Operand::plane("lr", "[B T, 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::array("rest", "vec4<f32>", "[3, B T, D]"),
        Operand::plane_out("dqkv", "[B T, 3 D]"),
    ],
};

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

    fn variant(&self, mix: &Mix<'_>, placement: Placement, centred: Option<bool>) -> Variant {
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
    let params = ForwardParams {
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
        masked: mix.masked(),
        has_rest: rest.is_some().into(),
        qkv_stride: qkv.stride(),
        centre_stride: width,
        y_stride: out.y.stride(),
        lr_stride: 2 * width,
    };
    let binds = [
        Bind::Plane(qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        centre.map_or(Bind::Absent, Bind::Plane),
        Bind::Buffer(grid.taps.values),
        rest.as_ref().map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(&out.y),
        saved.map_or(Bind::Absent, |saved| Bind::Plane(&saved.lr)),
    ];
    let variant = grid.variant(mix, b.placement, Some(saved.is_some()));
    let (groups, cost) = (grid.groups(mix, width), grid.cost(mix, width, 48.0));
    let dispatch = b.gpu.dispatch(&FORWARD, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    rest.into_iter().for_each(|rest| b.recycle_buffer(rest));
    Ok(())
}

/// Adds dk and dv.
pub(crate) fn gradient(b: &mut Builder, mix: &Mix<'_>, grid: &Grid<'_>, rows: &Rows<'_>, dqkv: &Plane) -> Result<()> {
    let Mix { batch, time, causal, mask, channels, .. } = *mix;
    grid.check("aft conv: a key over the positions that see it", causal)?;
    let width = rows.g.stride();
    let rest: Option<Buffer> = grid_rest::sums(b, mix, grid, Items::Rows { lr: rows.lr, g: rows.g })?;
    let params = GradientParams {
        batch,
        time,
        cols: channels,
        width,
        grid_rows: grid.rows,
        grid_columns: grid.columns,
        size: grid.taps.size,
        head_channels: grid.taps.head_channels(mix),
        causal: causal.into(),
        masked: mix.masked(),
        has_rest: rest.is_some().into(),
        qkv_stride: rows.qkv.stride(),
        centre_stride: width,
        lr_stride: rows.lr.stride(),
        g_stride: rows.g.stride(),
        dqkv_stride: dqkv.stride(),
    };
    let binds = [
        Bind::Plane(rows.qkv),
        mask.map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(rows.centre),
        Bind::Buffer(grid.taps.values),
        Bind::Plane(rows.lr),
        Bind::Plane(rows.g),
        rest.as_ref().map_or(Bind::Absent, Bind::Buffer),
        Bind::Plane(dqkv),
    ];
    let variant = grid.variant(mix, b.placement, None);
    let (groups, cost) = (grid.groups(mix, width), grid.cost(mix, width, 64.0));
    let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    rest.into_iter().for_each(|rest| b.recycle_buffer(rest));
    Ok(())
}

fn variant(placement: Placement, heads: u32, centred: Option<bool>) -> Variant {
    let mut constants = vec![("HEADS", heads)];
    constants.extend(centred.map(|centred| ("CENTRED", u32::from(centred))));
    Variant { placement, constants }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let of_heads = |heads| {
        [
            (&FORWARD, variant(placement, heads, Some(false))),
            (&FORWARD, variant(placement, heads, Some(true))),
            (&GRADIENT, variant(placement, heads, None)),
        ]
    };
    (0..3).flat_map(of_heads).collect()
}
