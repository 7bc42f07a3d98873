//! Factorised biases in the blocks that AFT reads them in, and the gradients of the factors (`shaders/aft/factors*.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, Weights, params};
use crate::ops::aft::mix::Mix;
use crate::ops::aft::panels::Panel;
use crate::ops::{Builder, Gradient, trips};

params! {
    /// As in `shaders/aft/factors.wgsl`.
    FormParams {
        time: u32, rank: u32, first_row: u32, rows: u32, causal: u32, reach: u32, slides: u32, ahead: u32, columns: u32,
        u_base: u32, v_base: u32, bias_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/factors_grad.wgsl`.
    GradientParams {
        time: u32, rank: u32, first_row: u32, rows: u32, panel_blocks: u32, level: u32, first: u32, stop: u32, causal: u32,
        reach: u32, slides: u32, ahead: u32, transposed: u32, accumulate: u32, dbias_stride: u32, factor_base: u32,
    }
}

static FORM: Kernel = Kernel {
    stem: "aft/factors",
    entry: "form",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_seen.wgsl"),
        include_str!("../../../shaders/aft/factors.wgsl"),
    ],
    params: FormParams::FIELDS,
    operands: &[
        Operand::weights("u", "[T, R]"),
        Operand::weights("v", "[T, R]"),
        Operand::plane_out("bias", "[rows, columns]"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "aft/factors_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_seen.wgsl"),
        include_str!("../../../shaders/lib/aft_turn.wgsl"),
        include_str!("../../../shaders/aft/factors_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::plane("dbias", "[rows, columns]"),
        Operand::weights("factor", "[T, R]"),
        Operand::array_out("kept", "vec4<f32>", "[T, R]"),
        Operand::array_out("out", "vec4<f32>", "[T, R]"),
    ],
};

/// Both factors have a row for every position; what is left of longer ones is not read, and its gradient is 0.
pub(crate) fn check(mix: &Mix<'_>, u: &Weights, v: &Weights) -> Result<()> {
    if u.cols == 0 {
        return Err(Error::Config("aft factors: a rank of at least 1".into()));
    }
    expect_shape("aft factors: v", (u.rows, u.cols), (v.rows, v.cols))?;
    expect_shape("aft factors: rows for every position", true, u.rows >= mix.time)
}

/// Adds w_tt' = sum over r of u_tr v_t'r for the rows of a panel. 2 R flops an entry.
pub(crate) fn form(b: &mut Builder, mix: &Mix<'_>, panel: &Panel<'_>, [u, v]: [&Weights; 2]) -> Result<()> {
    let (time, rank, layout) = (mix.time, u.cols, panel.layout);
    trips::check("aft factors: a sum over the ranks", u64::from(u.stride()) + 4)?;
    let bias = panel.plane;
    let columns = bias.stride();
    let params = FormParams {
        time,
        rank,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: mix.causal.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        columns,
        u_base: u.base(),
        v_base: v.base(),
        bias_stride: columns,
    };
    let tiles = u64::from(panel.rows.div_ceil(4)) * u64::from(columns);
    let binds = [Bind::Weights(u), Bind::Weights(v), Bind::Plane(bias)];
    let dispatch =
        b.gpu.dispatch(&FORM, &Variant::plain(b.placement), &params, &binds, tiles.div_ceil(64), cost(tiles, rank))?;
    b.program.dispatch(dispatch);
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
        let params = GradientParams {
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
            dbias_stride: dbias.stride(),
            factor_base: factor.base(),
        };
        let out = Bind::Slice(&factors.page, factors.offset_bytes + 16 * u64::from(offset), factor.size_bytes());
        let kept = sums.filter(|_| transposed).map_or(Bind::Absent, Bind::Buffer);
        let groups = (u64::from((stop - first).div_ceil(4)) * u64::from(u.stride())).div_ceil(64);
        let binds = [Bind::Plane(dbias), Bind::Weights(factor), kept, out];
        let entries = u64::from(panel.rows.div_ceil(4)) * u64::from(dbias.stride());
        let variant = Variant::plain(b.placement);
        let dispatch = b.gpu.dispatch(&GRADIENT, &variant, &params, &binds, groups, cost(entries, u.cols))?;
        b.program.dispatch(dispatch);
    }
    Ok(())
}

/// Of 16 products of `rank` terms a tile.
fn cost(tiles: u64, rank: u32) -> Cost {
    let products = tiles as f64 * f64::from(rank);
    Cost { flops: 32.0 * products, bytes: 32.0 * products + 64.0 * tiles as f64 }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&FORM, Variant::plain(placement)), (&GRADIENT, Variant::plain(placement))]
}
