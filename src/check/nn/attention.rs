//! Multi-head softmax attention, causal or not, with gradients: families of values, masks, odd head sizes.

use crate::check::attention::AttentionProblem;
use crate::check::cases::{VALUES, Values};
use crate::check::exp::ExpError;
use crate::check::line::Line;
use crate::check::workbench::placements;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::reference::Dims;

/// Checks all cases.
pub(in crate::check) async fn check(gpu: &Gpu, exp: ExpError, causal: bool) -> Result<Line> {
    let mut line = Line::new(if causal { "attention, causal" } else { "attention" });
    let small = AttentionProblem::normal(Dims { b: 2, t: 37, d: 16 }, 2, causal);
    for values in VALUES {
        hold(&mut line, gpu, exp, &small.clone().with(values), values).await?;
    }
    hold(&mut line, gpu, exp, &small.masked(), Values::Normal).await?;
    // Heads that start in the middle of a vec4.
    let odd = AttentionProblem::normal(Dims { b: 2, t: 37, d: 6 }, 3, causal);
    hold(&mut line, gpu, exp, &odd, Values::Normal).await?;
    // Several chunks of rows and panels of keys under every plan, with a constant and with a changing maximum.
    let long = AttentionProblem::normal(Dims { b: 1, t: 1_100, d: 4 }, 1, causal);
    for values in [Values::Normal, Values::Ramp] {
        hold(&mut line, gpu, exp, &long.clone().with(values), values).await?;
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
