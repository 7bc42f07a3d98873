//! What lies outside of a kernel's taps on a grid, as sums without biases (`shaders/aft/grid_rest.wgsl`): of keys in a forward
//! pass, of rows in a gradient.

use crate::error::Result;
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Variant, params};
use crate::ops::aft::grid::Grid;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::rest::{self, Items};
use crate::ops::aft::strips::{MAX_STRIPS, Strips, variants};
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/aft/grid_rest.wgsl`.
    RestParams {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, grid_rows: u32, grid_columns: u32, gap: u32,
        use_above: u32, use_below: u32, up: u32, down: u32, left_own: u32, right_own: u32, keys: u32, centred: u32,
        masked: u32, items_stride: u32, g_stride: u32, centre_stride: u32, carry_before_stride: u32,
        carry_after_stride: u32,
    }
}

static REST: Kernel = Kernel {
    stem: "aft/grid_rest",
    entry: "rest_of_strip",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_sums.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_mask.wgsl"),
        include_str!("../../../shaders/lib/aft_items.wgsl"),
        include_str!("../../../shaders/lib/aft_rest.wgsl"),
        include_str!("../../../shaders/lib/aft_rest_strip.wgsl"),
        include_str!("../../../shaders/aft/grid_rest.wgsl"),
    ],
    params: RestParams::FIELDS,
    operands: &[
        Operand::plane("items", "[B T, 3 D or 2 D]"),
        Operand::plane("g", "[B T, D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("centre", "[B, D]"),
        Operand::plane("carry_before", "[4 B strips, D]"),
        Operand::plane("carry_after", "[4 B strips, D]"),
        Operand::array_out("rest", "vec4<f32>", "[3 or 4, B T, D]"),
    ],
};

/// Which rows of the grid hold items that count for a position without a tap.
struct Reach {
    /// Whole rows above, and below, from the gap on.
    above: bool,
    below: bool,
    /// Rows above and below the own whose columns to both sides count, short of the gap.
    up: u32,
    down: u32,
    /// Whether the own row is among them, to the left and to the right.
    left_own: bool,
    right_own: bool,
}

impl Reach {
    /// A causal position sees keys before it, and a key is seen by rows after it.
    fn of(mix: &Mix<'_>, grid: &Grid<'_>, items: Items<'_>) -> Self {
        let before = !mix.causal || items.keys() != 0;
        let after = !mix.causal || items.keys() == 0;
        let rows = |counts: bool| if counts { grid.half() } else { 0 };
        let whole = grid.rows > gap(grid);
        Self {
            above: before && whole,
            below: after && whole,
            up: rows(before),
            down: rows(after),
            left_own: before,
            right_own: after,
        }
    }

    /// Loop iterations for a row of the grid: whole rows that join, and both walks with a column of rows at each step.
    fn trips(&self, grid: &Grid<'_>) -> u64 {
        let columns = u64::from(grid.columns);
        let whole = columns * (u64::from(self.above) + u64::from(self.below));
        let rows = u64::from(grid.rows.min(self.up + self.down + 1)) + 1;
        whole + 2 * (columns + rows * u64::from(grid.columns.saturating_sub(gap(grid)))) + 8
    }
}

/// How far away items are that count, in rows or in columns.
fn gap(grid: &Grid<'_>) -> u32 {
    grid.half() + 1
}

/// Adds the sums of all items outside of the taps, for every position, if there are any.
pub(crate) fn sums(b: &mut Builder, mix: &Mix<'_>, grid: &Grid<'_>, items: Items<'_>) -> Result<Option<Buffer>> {
    let (gap, width) = (gap(grid), items.width());
    if grid.rows <= gap && grid.columns <= gap {
        return Ok(None);
    }
    let Mix { batch, time, .. } = *mix;
    let reach = Reach::of(mix, grid, items);
    let strips = strips(b, mix, grid, width, reach.trips(grid))?;
    let whole_rows = Strips { rows: strips.rows * grid.columns, count: strips.count };
    let distance = gap * grid.columns;
    let before = rest::carry(b, mix, items, whole_rows, reach.above.then_some(distance), false)?;
    let after = rest::carry(b, mix, items, whole_rows, reach.below.then_some(distance), true)?;
    let rest = rest::room(b, mix, items)?;
    let params = RestParams {
        batch,
        time,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        grid_rows: grid.rows,
        grid_columns: grid.columns,
        gap,
        use_above: reach.above.into(),
        use_below: reach.below.into(),
        up: reach.up,
        down: reach.down,
        left_own: reach.left_own.into(),
        right_own: reach.right_own.into(),
        keys: items.keys(),
        centred: items.centred().into(),
        masked: items.masked(mix),
        items_stride: items.plane().stride(),
        g_stride: width,
        centre_stride: width,
        carry_before_stride: width,
        carry_after_stride: width,
    };
    let mut binds = items.binds(mix);
    binds.extend([&before, &after].map(|carry| carry.as_ref().map_or(Bind::Absent, Bind::Plane)));
    binds.push(Bind::Buffer(&rest));
    let (variant, groups) = strips.grid(b, batch, width);
    let steps = f64::from(batch) * f64::from(width) * f64::from(grid.rows) * reach.trips(grid) as f64;
    let elements = f64::from(mix.rows()) * f64::from(width);
    let cost = Cost { flops: 50.0 * steps + 200.0 * elements, bytes: 32.0 * steps + 200.0 * elements };
    let dispatch = b.gpu.dispatch(&REST, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    [before, after].into_iter().flatten().for_each(|plane| b.recycle(plane));
    Ok(Some(rest))
}

/// A cut of the grid into strips of whole rows: as many positions as the plan for the adapter has in a strip, but no more
/// than a loop may walk over.
fn strips(b: &Builder, mix: &Mix<'_>, grid: &Grid<'_>, width: u32, row_trips: u64) -> Result<Strips> {
    let planned = Strips::of(b, mix.batch, mix.time, width)?;
    let fewest = grid.rows.div_ceil(MAX_STRIPS);
    let most = (trips::MAX_TRIPS / row_trips).max(fewest.into());
    let rows = u64::from(planned.rows.div_ceil(grid.columns)).min(most) as u32;
    trips::check("aft conv: rows of a grid outside of the taps", row_trips * u64::from(rows))?;
    Ok(Strips { rows, count: grid.rows.div_ceil(rows) })
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    variants(&REST, placement).to_vec()
}
