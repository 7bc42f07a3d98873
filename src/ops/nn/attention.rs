//! Multi-head softmax attention and its gradients (`shaders/nn/attention*.wgsl`): tiles of a strip of rows and a panel
//! of keys, with a running maximum. Memory for scores does not grow with T.

use crate::error::Result;
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::nn::attention_grad;
pub use crate::ops::nn::attention_grad::{Backward, backward};
use crate::ops::nn::attention_heads::{self, Layout};
pub use crate::ops::nn::attention_operands::{Attended, Attention};
use crate::ops::nn::attention_walk::{self, Kept, Pieces, Walk, WalkParams, masked_or_not};
use crate::ops::trips::LANES;
use crate::ops::{Builder, trips};

kernel! {
    /// Weights of a tile (a strip of rows and a panel of keys), from scores and a running maximum.
    struct SoftmaxKernel = "nn/attention_softmax", "softmax";
    fragments: ["grid", "run_time", "row_sum", "row_max", "attention"],
    params: { walk: WalkParams },
    operands: {
        read scores: &'a Plane = "[B strip, H panel]",
        write weights: &'a Plane = "[B strip, H panel]",
        write totals: Array<'a, [f32; 4]> = "[B, strip, H]",
        write log_den: Array<'a, f32> = "[B T, H]",
    },
}

kernel! {
    /// Sums of values with these weights.
    struct ForwardKernel = "nn/attention", "forward";
    fragments: ["grid", "run_time", "attention_head", "attention_qkv", "attention_keys", "attention"],
    params: { walk: WalkParams },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        read weights: &'a Plane = "[B strip, H panel]",
        read totals: Array<'a, [f32; 4]> = "[B, strip, H]",
        read before: Option<&'a Plane> = "[B strip, D]",
        write out: &'a Plane = "[B T, D] or [B strip, D]",
    },
}

/// Adds the forward pass: y and L. 4 T^2 D flops a sequence, half if causal.
///
/// Accurate for finite q, k and v with |q_t| |k_t'| <= 1e30 and |v| <= 1e30. Scores have the rounding of their own
/// sums, and y that of a mean. If causal, later positions do not change any bit of earlier results.
///
/// # Errors
/// [`crate::Error::Config`] if B, T, D or H is 0 or H does not divide D; [`crate::Error::Shape`] if an operand does not
/// fit; [`crate::Error::LimitExceeded`] above 131,072 positions, or 64,000 channels of a head.
pub fn forward(b: &mut Builder, attention: &Attention<'_>, qkv: &Plane, out: &Attended) -> Result<()> {
    attention.check(qkv, out)?;
    let layout = Layout::of(attention.channels, attention.heads);
    if layout.whole() {
        return forward_whole(b, attention, layout.head_width(), qkv, &out.y, &out.log_den);
    }
    let spread = attention_heads::spread(b, layout, 3, qkv)?;
    let y = b.plane("attention heads", out.y.rows, layout.spread_cols())?;
    forward_whole(b, attention, layout.head_width(), &spread, &y, &out.log_den)?;
    attention_heads::gather(b, layout, 1, &y, &out.y)?;
    Ok(())
}

fn forward_whole(
    b: &mut Builder,
    attention: &Attention<'_>,
    head_width: u32,
    qkv: &Plane,
    y: &Plane,
    log_den: &Buffer,
) -> Result<()> {
    let pieces = Pieces::of(b, attention);
    let walk = Walk { attention, pieces, head_width };
    let Attention { batch, time, heads, .. } = *attention;
    let (scores, weights) = (walk.pairs(b, "attention scores")?, walk.pairs(b, "attention weights")?);
    let totals = b.scratch("attention totals", 16 * u64::from(batch) * u64::from(pieces.strip) * u64::from(heads))?;
    let mut kept = Kept::new(b, time > pieces.panel, batch * pieces.strip, y.cols)?;
    for strip in Pieces::cut(time, pieces.strip) {
        let panels = Pieces::cut(time, pieces.panel).filter(|&panel| walk.meet(strip, panel));
        let count = panels.clone().count();
        for (i, panel) in panels.enumerate() {
            kept.turn();
            let between = kept.between(i == 0, i + 1 == count, y);
            let params = between.params(walk.params(strip, panel));
            walk.scores(b, params, qkv, &scores)?;
            softmax(b, params, &scores, &weights, &totals, log_den)?;
            let call = ForwardKernel {
                walk: params,
                qkv,
                mask: walk.mask(),
                weights: &weights,
                totals: (&totals).into(),
                before: between.before,
                out: between.out,
            };
            walk.product(b, &call, true, [params.rows, params.keys, walk.channels()])?;
        }
    }
    Ok(())
}

fn softmax(
    b: &mut Builder,
    walk: WalkParams,
    scores: &Plane,
    weights: &Plane,
    totals: &Buffer,
    log_den: &Buffer,
) -> Result<()> {
    let call = SoftmaxKernel { walk, scores, weights, totals: totals.into(), log_den: log_den.into() };
    let blocks = u64::from(walk.keys.div_ceil(4));
    // Two passes over the keys, and the reductions over lanes.
    let lanes = trips::lanes(b.tuning().shared_rows, "attention: a row's weights", &LANES, |lanes| {
        2 * blocks.div_ceil(lanes) + 24
    })?;
    let items = f64::from(walk.batch * walk.heads) * f64::from(walk.rows);
    let cost = Cost { flops: 20.0 * items * f64::from(walk.keys), bytes: 12.0 * items * f64::from(walk.keys) };
    let groups = (u64::from(walk.batch * walk.heads) * u64::from(walk.rows) * u64::from(lanes)).div_ceil(64);
    b.run(&call, &b.special().with("LANES", lanes), groups, cost)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let softmax = |lanes| (SoftmaxKernel::KERNEL, Specialization::new(placement).with("LANES", lanes));
    let mut all = attention_walk::catalogue(placement);
    all.extend(LANES.map(softmax));
    all.extend(masked_or_not(ForwardKernel::KERNEL, placement));
    all.extend(attention_grad::catalogue(placement));
    all.extend(attention_heads::catalogue(placement));
    all
}
