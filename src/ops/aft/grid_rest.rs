//! What lies outside of a kernel's taps on a grid, as sums without biases (`shaders/aft/grid_rest.wgsl`): of keys in a forward
//! pass, of rows in a gradient.

use crate::error::Result;
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::grid::Grid;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::rest::{self, Items, variants_of_items};
use crate::ops::aft::strips::Strips;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/grid_rest.wgsl`.
    struct RestKernel = "aft/grid_rest", "rest_of_strip";
    fragments: ["grid", "run_time", "aft_bounds", "aft_sums", "aft_columns", "aft_scanned", "aft_strip", "aft_mask", "aft_items_known", "aft_items", "aft_rest", "aft_rest_store"],
    params: {
        batch: u32, time: u32, width: u32, backward: u32, joins: u32, strips: u32, strip_rows: u32, segments: u32,
        segment_columns: u32, carry_strips: u32, carry_rows: u32, grid_rows: u32, grid_columns: u32, gap: u32,
        use_rows: u32, up: u32, down: u32, own: u32,
    },
    operands: {
        read items: &'a Plane = "[B T, 3 D or 2 D]",
        read g: Option<&'a Plane> = "[B T, D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read centre: Option<&'a Plane> = "[B, D]",
        read carry: Option<&'a Plane> = "[4 B strips, D]",
        read beside: Option<&'a Plane> = "[4 B rows segments, D]",
        write rest: Array<'a, [f32; 4]> = "[3 or 4, B T, D]",
    },
}

/// Which rows of the grid hold items that count on one side of a position without a tap.
struct Reach {
    /// Whole rows, from the gap on.
    whole: bool,
    /// Rows above and below the own whose columns count, short of the gap.
    up: u32,
    down: u32,
    /// Whether the own row is among them.
    own: bool,
}

impl Reach {
    /// Above and to the left, or `backward` below and to the right. A causal position sees keys before it, and a key is seen by
    /// rows after it.
    fn of(mix: &Mix<'_>, grid: &Grid<'_>, items: Items<'_>, backward: bool) -> Self {
        let before = !mix.causal || items.keys() != 0;
        let after = !mix.causal || items.keys() == 0;
        let own = if backward { after } else { before };
        let rows = |counts: bool| if counts { grid.half() } else { 0 };
        Self { whole: own && grid.rows > gap(grid), up: rows(before), down: rows(after), own }
    }

    /// Rows of a column that count.
    fn rows(&self, grid: &Grid<'_>) -> u64 {
        if grid.columns > gap(grid) { grid.rows.min(self.up + self.down + 1).into() } else { 0 }
    }
}

/// How a grid is cut into pieces that run in parallel: a few rows of it, or a segment of the columns of one.
#[derive(Debug)]
struct Pieces {
    strips: u32,
    strip_rows: u32,
    segments: u32,
    segment_columns: u32,
}

impl Pieces {
    /// Pieces of a grid of `rows` x `columns`, each of about `positions`, as many as the plan for the adapter has in a strip, but
    /// no more than a loop may walk over where each takes `beside` items.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`](crate::error::Error::LimitExceeded) if a loop cannot walk over one.
    fn plan(rows: u32, columns: u32, positions: u32, beside: u64) -> Result<Self> {
        let (start, step) = trips_of(positions, beside);
        trips::check("aft conv: a position and the columns outside of its taps", start + step)?;
        let most = (trips::MAX_TRIPS - start) / step;
        let positions = most.min(positions.into()) as u32;
        let strip_rows = (positions / columns).clamp(1, rows);
        let segment_columns = columns.div_ceil(columns.div_ceil(positions));
        let segments = columns.div_ceil(segment_columns);
        Ok(Self { strips: rows.div_ceil(strip_rows), strip_rows, segments, segment_columns })
    }

    /// Of all rows.
    fn all(&self) -> Strips {
        Strips { rows: self.strip_rows, count: self.strips * self.segments }
    }

    /// Of one row.
    fn of_row(&self) -> Strips {
        Strips { rows: self.segment_columns, count: self.segments }
    }
}

/// Loop iterations of a piece before it walks, and for each position. A loop that begins counts as one.
fn trips_of(positions: u32, beside: u64) -> (u64, u64) {
    let step = beside + beside.div_ceil(256) + 4;
    (u64::from(positions) + step, step)
}

/// How far away items are that count, in rows or in columns.
fn gap(grid: &Grid<'_>) -> u32 {
    grid.half() + 1
}

/// Adds the sums of all items outside of the taps, for every position, if there are any.
pub(crate) fn sums(b: &mut Builder, mix: &Mix<'_>, grid: &Grid<'_>, items: Items<'_>) -> Result<Option<Buffer>> {
    let mut rest = None;
    for backward in [false, true] {
        let reach = Reach::of(mix, grid, items, backward);
        if !reach.whole && grid.columns <= gap(grid) {
            continue;
        }
        let joins = rest.is_some();
        let room = match rest {
            Some(room) => room,
            None => rest::room(b, mix, items)?,
        };
        walk(b, mix, grid, items, &reach, &room, [backward, joins])?;
        rest = Some(room);
    }
    Ok(rest)
}

/// Adds a walk in one direction, whose sums are stored, or join those that are.
fn walk(
    b: &mut Builder,
    mix: &Mix<'_>,
    grid: &Grid<'_>,
    items: Items<'_>,
    reach: &Reach,
    rest: &Buffer,
    [backward, joins]: [bool; 2],
) -> Result<()> {
    let Mix { batch, time, .. } = *mix;
    let width = items.width();
    let strips = Strips::of(b, batch, time, width)?;
    let beside = reach.rows(grid);
    let pieces = Pieces::plan(grid.rows, grid.columns, strips.rows, beside)?;
    let carry = rest::carry(b, mix, items, strips, reach.whole.then_some(0), backward)?;
    let row = Mix { batch: batch * grid.rows, time: grid.columns, ..*mix };
    let segments = rest::carry(b, &row, items, pieces.of_row(), Some(gap(grid)), backward)?;
    let call = RestKernel {
        batch,
        time,
        width,
        backward: backward.into(),
        joins: joins.into(),
        strips: pieces.all().count,
        strip_rows: pieces.strip_rows,
        segments: pieces.segments,
        segment_columns: pieces.segment_columns,
        carry_strips: strips.count,
        carry_rows: strips.rows,
        grid_rows: grid.rows,
        grid_columns: grid.columns,
        gap: gap(grid),
        use_rows: reach.whole.into(),
        up: reach.up,
        down: reach.down,
        own: reach.own.into(),
        items: items.plane(),
        g: items.g(),
        mask: items.mask(mix),
        centre: items.centre(),
        carry: carry.as_ref(),
        beside: segments.as_ref(),
        rest: rest.into(),
    };
    let (variant, groups) = pieces.all().grid(b, batch, width);
    let elements = f64::from(mix.rows()) * f64::from(width);
    let steps = elements * (beside as f64 + 2.0);
    let cost = Cost { flops: 50.0 * steps + 200.0 * elements, bytes: 32.0 * steps + 200.0 * elements };
    b.run(&call, &items.variant(variant), groups, cost)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    variants_of_items(RestKernel::KERNEL, placement)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn pieces_cover_the_grid_within_every_bound() {
        for (rows, columns) in [(1, 1), (1, 131_072), (131_072, 1), (512, 256), (400, 300), (3, 600), (128, 128)] {
            for positions in [4, 128, 256] {
                for beside in [0, 1, 7, 151, 512, 10_666] {
                    let pieces = Pieces::plan(rows, columns, positions, beside).unwrap();
                    let Pieces { strips, strip_rows, segments, segment_columns } = pieces;
                    assert!(strips * strip_rows >= rows && (strips - 1) * strip_rows < rows, "{pieces:?}");
                    assert!(segments * segment_columns >= columns, "{pieces:?}");
                    assert!((segments - 1) * segment_columns < columns, "{pieces:?}");
                    let (start, step) = trips_of(positions, beside);
                    let most = start + u64::from(strip_rows * segment_columns) * step;
                    assert!(most <= trips::MAX_TRIPS && strip_rows * segment_columns <= positions, "{pieces:?}");
                }
            }
        }
        assert!(Pieces::plan(1, 100_000, 256, 32_000).is_err());
    }
}
