//! The gradients of attention (`shaders/nn/attention_grad_*.wgsl`), from scores that are computed again.

use crate::error::{Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant};
use crate::ops::Builder;
use crate::ops::nn::attention::{Attended, Attention};
use crate::ops::nn::attention_heads::{self, Layout};
use crate::ops::nn::attention_walk::{Between, Kept, Params, Pieces, Walk, kernel, masked_or_not, products};

static DELTA: Kernel = kernel!(
    "nn/attention_grad_delta",
    "delta_of",
    [],
    &[
        Operand::plane("y", "[B T, D]"),
        Operand::plane("dy", "[B T, D]"),
        Operand::array_out("delta", "f32", "[B T, H]"),
    ]
);

static GRADIENT_SCORES: [Kernel; 2] = products!(
    "nn/attention_grad_scores",
    "gradient_scores",
    ["attention_head", "attention_qkv"],
    &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::plane("dy", "[B T, D]"),
        Operand::plane("scores", "[B strip, H panel]"),
        Operand::array("log_den", "f32", "[B T, H]"),
        Operand::array("delta", "f32", "[B T, H]"),
        Operand::plane_out("weights", "[B strip, H panel]"),
        Operand::plane_out("slopes", "[B strip, H panel]"),
    ]
);

static GRADIENT_Q: [Kernel; 2] = products!(
    "nn/attention_grad_q",
    "gradient_q",
    ["attention_head", "attention_qkv", "attention_keys"],
    &[
        Operand::plane("qkv", "[B T, 3 D]"),
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("slopes", "[B strip, H panel]"),
        Operand::plane("before", "[B T, D]"),
        Operand::plane_out("out", "[B T, 3 D] or [B T, D]"),
    ]
);

static GRADIENT_KV: [Kernel; 2] = products!(
    "nn/attention_grad_kv",
    "gradient_kv",
    ["attention_head", "attention_keys"],
    &[
        Operand::array("mask", "u32", "[B, T]"),
        Operand::plane("weights", "[B strip, H panel]"),
        Operand::plane("x", "[B T, 3 D] or [B T, D]"),
        Operand::plane("before", "[B panel, D]"),
        Operand::plane_out("out", "[B T, 3 D] or [B panel, D]"),
    ]
);

/// Operands of the gradient.
pub struct Backward<'a> {
    /// The forward pass's input [B T, 3 D4] ([`crate::ops::aft::qkv_cols`]).
    pub qkv: &'a Plane,
    /// What the forward pass gave.
    pub out: &'a Attended,
    /// Gradient of y [B T, D].
    pub dy: &'a Plane,
    /// Output: gradients of q, k and v, laid out as they are [B T, 3 D4].
    pub dqkv: &'a Plane,
}

/// Adds the gradients of q, k and v. Counted as 8 T^2 D flops a sequence, half if causal; as scores are computed again, it does 10.
///
/// Exact for |v| and |dy| up to 1e18 in heads of up to 28,000 channels, where the sums over T that the gradients are stay in f32.
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
    [spread, spread_dy, gathered, whole.y].into_iter().for_each(|plane| b.recycle(plane));
    Ok(())
}

fn backward_whole(b: &mut Builder, attention: &Attention<'_>, head_width: u32, args: &Backward<'_>) -> Result<()> {
    let Backward { qkv, out, dy, dqkv } = *args;
    let pieces = Pieces::of(b, attention);
    let walk = &Walk { attention, pieces, head_width };
    let Attention { batch, time, heads, .. } = *attention;
    let delta = b.scratch("attention delta", 4 * u64::from(out.y.rows) * u64::from(heads))?;
    add_delta(b, &walk.params((0, time), (0, time)), out, dy, &delta)?;
    let [scores, weights, slopes] =
        [walk.pairs(b, "attention scores")?, walk.pairs(b, "attention weights")?, walk.pairs(b, "attention slopes")?];
    let pairs = Pairs { scores: &scores, weights: &weights, slopes: &slopes, delta: &delta };
    // The sums of queries go from panel to panel, those of keys and values from strip to strip.
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
            walk.scores(b, &params, qkv, &scores)?;
            gradient_scores(b, walk, &params, args, &pairs)?;
            let last_panel = panel.0 + panel.1 >= if attention.causal { strip.0 + strip.1 } else { time };
            gradient_q(b, walk, &params, args, &slopes, kept_q.between(panel.0 == 0, last_panel, dqkv))?;
            let params = Params { keys: panel.1, ..params };
            for (part, x, weights) in [(0, qkv, &slopes), (1, dy, &weights)] {
                let params = Params { out_column: (part as u32 + 1) * width / 4, ..params };
                kept[part].turn();
                gradient_kv(b, walk, &params, x, weights, kept[part].between(i == 0, i + 1 == count, dqkv))?;
            }
        }
    }
    let [keys, values] = kept;
    let kept = kept_q.planes().chain(keys.planes()).chain(values.planes());
    [scores, weights, slopes].into_iter().chain(kept).for_each(|plane| b.recycle(plane));
    b.recycle_buffer(delta);
    Ok(())
}

/// What the gradients' dispatches keep of a strip and a panel, and delta.
struct Pairs<'a> {
    scores: &'a Plane,
    weights: &'a Plane,
    slopes: &'a Plane,
    delta: &'a Buffer,
}

fn gradient_scores(
    b: &mut Builder,
    walk: &Walk<'_>,
    params: &Params,
    args: &Backward<'_>,
    pairs: &Pairs<'_>,
) -> Result<()> {
    let Pairs { scores, weights, slopes, delta } = *pairs;
    let params = Params {
        qkv_stride: args.qkv.stride(),
        dy_stride: args.dy.stride(),
        scores_stride: scores.stride(),
        weights_stride: weights.stride(),
        slopes_stride: slopes.stride(),
        ..*params
    };
    let binds = [
        Bind::Plane(args.qkv),
        Bind::Plane(args.dy),
        Bind::Plane(scores),
        Bind::Buffer(&args.out.log_den),
        Bind::Buffer(delta),
        Bind::Plane(weights),
        Bind::Plane(slopes),
    ];
    walk.product(b, &GRADIENT_SCORES, false, &params, &binds, [params.rows, walk.channels(), params.keys])
}

fn gradient_q(
    b: &mut Builder,
    walk: &Walk<'_>,
    params: &Params,
    args: &Backward<'_>,
    slopes: &Plane,
    between: Between<'_>,
) -> Result<()> {
    let params = Params { qkv_stride: args.qkv.stride(), slopes_stride: slopes.stride(), ..between.params(params) };
    let [before, out] = between.binds();
    let binds = [Bind::Plane(args.qkv), walk.mask(), Bind::Plane(slopes), before, out];
    walk.product(b, &GRADIENT_Q, true, &params, &binds, [params.rows, params.keys, walk.channels()])
}

fn gradient_kv(
    b: &mut Builder,
    walk: &Walk<'_>,
    params: &Params,
    x: &Plane,
    weights: &Plane,
    between: Between<'_>,
) -> Result<()> {
    let params = Params { weights_stride: weights.stride(), x_stride: x.stride(), ..between.params(params) };
    let [before, out] = between.binds();
    let binds = [walk.mask(), Bind::Plane(weights), Bind::Plane(x), before, out];
    walk.product(b, &GRADIENT_KV, true, &params, &binds, [params.keys, params.rows, walk.channels()])
}

fn add_delta(b: &mut Builder, params: &Params, out: &Attended, dy: &Plane, delta: &Buffer) -> Result<()> {
    let params = Params { y_stride: out.y.stride(), dy_stride: dy.stride(), ..*params };
    let binds = [Bind::Plane(&out.y), Bind::Plane(dy), Bind::Buffer(delta)];
    let items = u64::from(params.batch) * u64::from(params.time) * u64::from(params.heads);
    let numbers = items as f64 * 4.0 * f64::from(params.head_width);
    let cost = Cost { flops: 2.0 * numbers, bytes: 8.0 * numbers };
    let dispatch = b.gpu.dispatch(&DELTA, &Variant::plain(b.placement), &params, &binds, items.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

pub(super) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let mut all = vec![(&DELTA, Variant::plain(placement))];
    let sums = vec![("COLUMN_SUMS", 0)];
    all.extend(GRADIENT_SCORES.iter().map(|kernel| (kernel, Variant { placement, constants: sums.clone() })));
    all.extend([&GRADIENT_Q, &GRADIENT_KV].into_iter().flat_map(|kernels| masked_or_not(kernels, placement)));
    all
}
