//! Multi-head softmax attention, causal or not, with its gradients: families of values, masks, heads of odd sizes.

use crate::check::attention::AttentionProblem;
use crate::check::cases::{VALUES, Values};
use crate::check::exp::ExpError;
use crate::check::report::{Line, placements};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::reference::Dims;

/// Goes through all of it.
pub(in crate::check) async fn check(gpu: &Gpu, exp: ExpError, causal: bool) -> Result<Line> {
    let mut line = Line::new(if causal { "attention, causal" } else { "attention" });
    let small = AttentionProblem::normal(Dims { b: 2, t: 37, d: 16 }, 2, causal);
    for values in VALUES {
        hold(&mut line, gpu, exp, &small.clone().with(values), values).await?;
    }
    hold(&mut line, gpu, exp, &small.masked(), Values::Normal).await?;
    // Heads that begin within a vec4; several strips of rows.
    for (dims, heads) in [(Dims { b: 2, t: 37, d: 6 }, 3), (Dims { b: 1, t: 300, d: 8 }, 1)] {
        hold(&mut line, gpu, exp, &AttentionProblem::normal(dims, heads, causal), Values::Normal).await?;
    }
    Ok(line)
}

async fn hold(line: &mut Line, gpu: &Gpu, exp: ExpError, problem: &AttentionProblem, values: Values) -> Result<()> {
    let truth = problem.truth();
    let AttentionProblem { dims: Dims { b, t, d }, heads, mask, .. } = problem;
    let how = if mask.is_some() { ", masked" } else { "" };
    for placement in placements(gpu) {
        let verdicts = problem.judge(&truth, &problem.run(gpu, placement).await?, exp);
        let case = format!("{values:?} values{how}, [{b}, {t}, {d}], H = {heads}, {placement:?}");
        if values == Values::Normal { line.add(&case, &verdicts) } else { line.add_hostile(&case, &verdicts) }
    }
    Ok(())
}
