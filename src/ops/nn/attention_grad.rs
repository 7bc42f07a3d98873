//! Gradients of attention (`shaders/nn/attention_grad_*.wgsl`); scores are recomputed.

use crate::error::{Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::nn::attention_heads::{self, Layout};
use crate::ops::nn::attention_operands::{Attended, Attention};
use crate::ops::nn::attention_walk::{Between, Kept, Pieces, Walk, WalkParams, masked_or_not, products};

kernel! {
    /// delta: the sum over channels of y dy, for each row and head.
    struct DeltaKernel = "nn/attention_grad_delta", "delta_of";
    fragments: ["grid", "run_time", "attention"],
    params: { walk: WalkParams },
    operands: {
        read y: &'a Plane = "[B T, D]",
        read dy: &'a Plane = "[B T, D]",
        write delta: Array<'a, f32> = "[B T, H]",
    },
}

kernel! {
    /// Weights, and gradients of scores, of a tile.
    struct GradientScoresKernel = "nn/attention_grad_scores", "gradient_scores";
    fragments: ["grid", "run_time", "attention_head", "attention_qkv", "attention"],
    params: { walk: WalkParams },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read dy: &'a Plane = "[B T, D]",
        read scores: &'a Plane = "[B strip, H panel]",
        read log_den: Array<'a, f32> = "[B T, H]",
        read delta: Array<'a, f32> = "[B T, H]",
        write weights: &'a Plane = "[B strip, H panel]",
        write slopes: &'a Plane = "[B strip, H panel]",
    },
}

kernel! {
    /// Gradients of queries.
    struct GradientQKernel = "nn/attention_grad_q", "gradient_q";
    fragments: ["grid", "run_time", "attention_head", "attention_qkv", "attention_keys", "attention"],
    params: { walk: WalkParams },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read slopes: &'a Plane = "[B strip, H panel]",
        read before: Option<&'a Plane> = "[B T, D]",
        write out: &'a Plane = "[B T, 3 D] or [B T, D]",
    },
}

kernel! {
    /// Gradients of keys (from score gradients and queries) or of values (from weights and dy).
    struct GradientKvKernel = "nn/attention_grad_kv", "gradient_kv";
    fragments: ["grid", "run_time", "attention_head", "attention_keys", "attention"],
    params: { walk: WalkParams },
    operands: {
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read weights: &'a Plane = "[B strip, H panel]",
        read x: &'a Plane = "[B T, 3 D] or [B T, D]",
        read before: Option<&'a Plane> = "[B panel, D]",
        write out: &'a Plane = "[B T, 3 D] or [B panel, D]",
    },
}

/// Operands of the gradient.
pub struct Backward<'a> {
    /// The forward pass's input [B T, 3 D4] ([`crate::ops::aft::qkv_cols`]).
    pub qkv: &'a Plane,
    /// The forward pass's output.
    pub out: &'a Attended,
    /// Gradient of y [B T, D].
    pub dy: &'a Plane,
    /// Output: gradients of q, k and v, laid out as qkv [B T, 3 D4].
    pub dqkv: &'a Plane,
}

/// Adds the gradients of q, k and v. Counted as 8 T^2 D flops a sequence, half if causal; recomputing scores makes it
/// 10 T^2 D.
///
/// Accurate for |v| and |dy| up to 1e18 in heads of up to 28,000 channels, if the sums over T stay within f32.
///
/// # Errors
/// As [`crate::ops::nn::attention::forward`].
pub fn backward(b: &mut Builder, attention: &Attention<'_>, args: &Backward<'_>) -> Result<()> {
    let Backward { qkv, out, dy, dqkv } = *args;
    attention.check(qkv, out)?;
    expect_shape("attention: dy", (out.y.rows, out.y.cols), (dy.rows, dy.cols))?;
    expect_shape("attention: dqkv", (qkv.rows, qkv.cols), (dqkv.rows, dqkv.cols))?;
    let layout = Layout::of(attention.channels, attention.heads);
    if layout.whole() {
        return backward_whole(b, attention, layout.head_width(), args);
    }
    let spread = attention_heads::spread(b, layout, 3, qkv)?;
    let [y, spread_dy] = [attention_heads::spread(b, layout, 1, &out.y)?, attention_heads::spread(b, layout, 1, dy)?];
    let gathered = b.plane("attention heads", qkv.rows, spread.cols)?;
    let whole = Attended { y, log_den: out.log_den.clone() };
    let args = Backward { qkv: &spread, out: &whole, dy: &spread_dy, dqkv: &gathered };
    backward_whole(b, attention, layout.head_width(), &args)?;
    attention_heads::gather(b, layout, 3, &gathered, dqkv)?;
    Ok(())
}

fn backward_whole(b: &mut Builder, attention: &Attention<'_>, head_width: u32, args: &Backward<'_>) -> Result<()> {
    let Backward { qkv, out, dy, dqkv } = *args;
    let pieces = Pieces::of(b, attention);
    let walk = &Walk { attention, pieces, head_width };
    let Attention { batch, time, heads, .. } = *attention;
    let delta = b.scratch("attention delta", 4 * u64::from(out.y.rows) * u64::from(heads))?;
    add_delta(b, walk.params((0, time), (0, time)), out, dy, &delta)?;
    let [scores, weights, slopes] =
        [walk.pairs(b, "attention scores")?, walk.pairs(b, "attention weights")?, walk.pairs(b, "attention slopes")?];
    let pairs = Pairs { scores: &scores, weights: &weights, slopes: &slopes, delta: &delta };
    // Sums for queries carry from panel to panel, sums for keys and values from strip to strip.
    let width = 4 * heads * head_width;
    let several = time > pieces.panel;
    let mut kept_q = Kept::new(b, several, if several { out.y.rows } else { 0 }, width)?;
    let rows = batch * pieces.panel;
    let mut kept = [Kept::new(b, time > pieces.strip, rows, width)?, Kept::new(b, time > pieces.strip, rows, width)?];
    for panel in Pieces::cut(time, pieces.panel) {
        let strips = Pieces::cut(time, pieces.strip).filter(|&strip| walk.meet(strip, panel));
        let count = strips.clone().count();
        kept_q.turn();
        for (i, strip) in strips.enumerate() {
            let params = walk.params(strip, panel);
            walk.scores(b, params, qkv, &scores)?;
            gradient_scores(b, walk, params, args, &pairs)?;
            let last_panel = panel.0 + panel.1 >= if attention.causal { strip.0 + strip.1 } else { time };
            gradient_q(b, walk, params, args, &slopes, kept_q.between(panel.0 == 0, last_panel, dqkv))?;
            let params = WalkParams { keys: panel.1, ..params };
            for (part, x, weights) in [(0, qkv, &slopes), (1, dy, &weights)] {
                let params = WalkParams { out_column: (part as u32 + 1) * width / 4, ..params };
                kept[part].turn();
                gradient_kv(b, walk, params, x, weights, kept[part].between(i == 0, i + 1 == count, dqkv))?;
            }
        }
    }
    Ok(())
}

/// Planes of a tile that the gradient's dispatches share, and delta.
struct Pairs<'a> {
    scores: &'a Plane,
    weights: &'a Plane,
    slopes: &'a Plane,
    delta: &'a Buffer,
}

fn gradient_scores(
    b: &mut Builder,
    walk: &Walk<'_>,
    params: WalkParams,
    args: &Backward<'_>,
    pairs: &Pairs<'_>,
) -> Result<()> {
    let Pairs { scores, weights, slopes, delta } = *pairs;
    let call = GradientScoresKernel {
        walk: params,
        qkv: args.qkv,
        dy: args.dy,
        scores,
        log_den: (&args.out.log_den).into(),
        delta: delta.into(),
        weights,
        slopes,
    };
    walk.product(b, &call, false, [params.rows, walk.channels(), params.keys])
}

fn gradient_q(
    b: &mut Builder,
    walk: &Walk<'_>,
    params: WalkParams,
    args: &Backward<'_>,
    slopes: &Plane,
    between: Between<'_>,
) -> Result<()> {
    let Between { before, out, .. } = between;
    let call = GradientQKernel { walk: between.params(params), qkv: args.qkv, mask: walk.mask(), slopes, before, out };
    walk.product(b, &call, true, [params.rows, params.keys, walk.channels()])
}

fn gradient_kv(
    b: &mut Builder,
    walk: &Walk<'_>,
    params: WalkParams,
    x: &Plane,
    weights: &Plane,
    between: Between<'_>,
) -> Result<()> {
    let Between { before, out, .. } = between;
    let call = GradientKvKernel { walk: between.params(params), mask: walk.mask(), weights, x, before, out };
    walk.product(b, &call, true, [params.keys, params.rows, walk.channels()])
}

fn add_delta(b: &mut Builder, walk: WalkParams, out: &Attended, dy: &Plane, delta: &Buffer) -> Result<()> {
    let items = u64::from(walk.batch) * u64::from(walk.time) * u64::from(walk.heads);
    let numbers = items as f64 * 4.0 * f64::from(walk.head_width);
    let cost = Cost { flops: 2.0 * numbers, bytes: 8.0 * numbers };
    let call = DeltaKernel { walk, y: &out.y, dy, delta: delta.into() };
    b.run(&call, &b.special(), items.div_ceil(64), cost)
}

pub(super) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let mut all = vec![(DeltaKernel::KERNEL, Specialization::new(placement))];
    all.extend(products(GradientScoresKernel::KERNEL, placement));
    let masked = [GradientQKernel::KERNEL, GradientKvKernel::KERNEL];
    all.extend(masked.into_iter().flat_map(|kernel| masked_or_not(kernel, placement)));
    all
}
