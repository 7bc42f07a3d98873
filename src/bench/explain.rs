//! Analysis of a case: its plan, and for each kernel the dispatches, the work and the share of the time.

use std::ops::ControlFlow;

use super::cases::{Case, chosen, explain_training, skipped};
use super::clock::Stopwatch;
use super::explanation::Explanation;
use super::gate::is_right;
use super::measure::Measure;
use super::options::BenchOptions;
use super::profile::{passes, shares};
use super::result::Skipped;
use crate::check::Exponential;
use crate::error::{Error, Result};
use crate::gpu::Gpu;

/// Analyses the selected cases. `each` receives every result, or the reason why a case was skipped. Breaks if told to stop.
///
/// # Errors
/// [`Error::Config`] if no selected case can be analysed; also those of [`super::run()`].
pub async fn explain(
    gpu: &Gpu,
    options: &BenchOptions,
    mut each: impl FnMut(std::result::Result<&Explanation, &Skipped>),
    stop: &dyn Fn() -> bool,
) -> Result<ControlFlow<()>> {
    let mut cases = chosen(gpu, options)?;
    cases.retain(|case| !matches!(case, Case::Generate(_)));
    if cases.is_empty() {
        let text = "generation is not taken apart: it is a program a token, and what surrounds it on the host";
        return Err(Error::Config(text.into()));
    }
    let watch = Stopwatch::new(gpu).await?;
    let exp = Exponential::measure(gpu).await?.error;
    let mut measure = Measure::new(gpu, watch, exp, options.effort, stop);
    for case in &cases {
        if stop() {
            return Ok(ControlFlow::Break(()));
        }
        if let Case::Train(model) = case {
            match explain_training(model, &case.name(), &mut measure).await {
                Ok(explanation) => each(Ok(&explanation)),
                Err(error) => each(Err(&skipped(case.name(), error)?)),
            }
            continue;
        }
        let prepared = match case.prepare(&measure).await {
            Ok(prepared) => prepared,
            Err(error) => {
                each(Err(&skipped(case.name(), error)?));
                continue;
            }
        };
        for timed in prepared.iter().flat_map(|prepared| &prepared.timed) {
            let (name, error) = (format!("{}, {}", case.name(), timed.row.direction), timed.error);
            let plan = timed.row.plan.clone().unwrap_or_default();
            if !is_right(error) {
                each(Ok(&Explanation::wrong(name, plan, error)));
                continue;
            }
            let passes = passes(&timed.program);
            match shares(&measure, &timed.program).await {
                Ok((clock, kernels)) => {
                    each(Ok(&Explanation { case: name, plan, error, clock, kernels, passes, step: None }));
                }
                Err(error) => each(Err(&skipped(name, error)?)),
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}
