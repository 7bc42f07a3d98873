//! Factorised biases in the blocks that AFT reads them in, and the gradients of the factors (`shaders/aft/factors*.wgsl`).

use crate::error::{Error, Result, expect_at_least, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, Weights, kernel};
use crate::ops::aft::mix::Mix;
use crate::ops::aft::panels::Panel;
use crate::ops::{Builder, Gradient, trips};

kernel! {
    /// `shaders/aft/factors.wgsl`.
    struct FormKernel = "aft/factors", "form";
    fragments: ["grid", "run_time", "aft_seen"],
    params: {
        time: u32, rank: u32, first_row: u32, rows: u32, causal: u32, reach: u32, slides: u32, ahead: u32,
        columns: u32,
    },
    operands: {
        read u: &'a Weights = "[T, R]",
        read v: &'a Weights = "[T, R]",
        write bias: &'a Plane = "[rows, columns]",
    },
}

kernel! {
    /// `shaders/aft/factors_grad.wgsl`.
    struct GradientKernel = "aft/factors_grad", "gradient";
    fragments: ["grid", "run_time", "aft_seen", "aft_turn"],
    params: {
        time: u32, rank: u32, first_row: u32, rows: u32, panel_blocks: u32, level: u32, first: u32, stop: u32,
        causal: u32, reach: u32, slides: u32, ahead: u32, transposed: u32, accumulate: u32,
    },
    operands: {
        read dbias: &'a Plane = "[rows, columns]",
        read factor: &'a Weights = "[T, R]",
        write kept: Option<Array<'a, [f32; 4]>> = "[T, R]",
        write out: Array<'a, [f32; 4]> = "[T, R]",
    },
}

/// Both factors have a row for every position; what is left of longer ones is not read, and its gradient is 0.
pub(crate) fn check(mix: &Mix<'_>, u: &Weights, v: &Weights) -> Result<()> {
    if u.cols == 0 {
        return Err(Error::Config("aft factors: the rank R is at least 1, not 0".into()));
    }
    expect_shape("aft factors: v", (u.rows, u.cols), (v.rows, v.cols))?;
    expect_at_least("aft factors: u", "rows, one a position", mix.time, u.rows)
}

/// Adds w_tt' = sum over r of u_tr v_t'r for the rows of a panel. 2 R flops an entry.
pub(crate) fn form(b: &mut Builder, mix: &Mix<'_>, panel: &Panel<'_>, [u, v]: [&Weights; 2]) -> Result<()> {
    let (time, rank, layout) = (mix.time, u.cols, panel.layout);
    trips::check("aft factors: a sum over the ranks", u64::from(u.stride()) + 4)?;
    let bias = panel.plane;
    let columns = bias.stride();
    let tiles = u64::from(panel.rows.div_ceil(4)) * u64::from(columns);
    let call = FormKernel {
        time,
        rank,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: mix.causal.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        columns,
        u,
        v,
        bias,
    };
    b.run(&call, &b.special(), tiles.div_ceil(64), cost(tiles, rank))?;
    Ok(())
}

/// Memory for sums over panels of the gradient of v, which is shaped as `u` is.
pub(crate) fn sums(b: &mut Builder, u: &Weights, time: u32) -> Result<Buffer> {
    b.scratch("aft factor sums", 16 * u64::from(time.next_multiple_of(4)) * u64::from(u.stride()))
}

/// Adds the gradients of both factors from that of the biases of a panel; panels follow on each other. `sums` ([`sums`]) is there
/// where they are added in two levels. 4 R flops an entry.
pub(crate) fn gradient(
    b: &mut Builder,
    mix: &Mix<'_>,
    panel: &Panel<'_>,
    [u, v]: [&Weights; 2],
    dbias: &Plane,
    sums: Option<&Buffer>,
    factors: &Gradient,
) -> Result<()> {
    let Mix { time, causal, .. } = *mix;
    let layout = panel.layout;
    trips::check("aft factors: a sum over the keys or rows", layout.trips(time, causal))?;
    let (last, keys) = (panel.is_last(time), panel.keys(time, causal));
    let rows = panel.first_row..panel.first_row + panel.rows;
    for (transposed, factor, offset) in [(false, v, 0), (true, u, factors.second_offset)] {
        // The last panel also writes what is past T.
        let all = (factor.size_bytes() / 16) as u32 / factor.stride();
        let first = if transposed { 4 * keys.start } else { rows.start };
        let stop = if last { all } else { all.min(if transposed { 4 * keys.end } else { rows.end }) };
        let out = Array::slice(&factors.page, factors.offset_bytes + 16 * u64::from(offset), factor.size_bytes());
        let kept = sums.filter(|_| transposed).map(Array::from);
        let groups = (u64::from((stop - first).div_ceil(4)) * u64::from(u.stride())).div_ceil(64);
        let call = GradientKernel {
            time,
            rank: u.cols,
            first_row: panel.first_row,
            rows: panel.rows,
            panel_blocks: panel.blocks,
            level: panel.level,
            first,
            stop,
            causal: causal.into(),
            reach: layout.reach,
            slides: layout.slide.is_some().into(),
            ahead: layout.slide.unwrap_or(0),
            transposed: transposed.into(),
            accumulate: factors.accumulate.into(),
            dbias,
            factor,
            kept,
            out,
        };
        let entries = u64::from(panel.rows.div_ceil(4)) * u64::from(dbias.stride());
        let variant = Specialization::new(b.placement);
        b.run(&call, &variant, groups, cost(entries, u.cols))?;
    }
    Ok(())
}

/// Of 16 products of `rank` terms a tile.
fn cost(tiles: u64, rank: u32) -> Cost {
    let products = tiles as f64 * f64::from(rank);
    Cost { flops: 32.0 * products, bytes: 32.0 * products + 64.0 * tiles as f64 }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(FormKernel::KERNEL, Specialization::new(placement)), (GradientKernel::KERNEL, Specialization::new(placement))]
}
