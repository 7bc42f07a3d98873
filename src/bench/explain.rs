//! Where the time of a case goes: its plan, and by kernel the dispatches, the work and the share of the time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use web_time::Instant;

use super::cases::{self, Case, skipped};
use super::clock::Stopwatch;
use super::measure::{Measure, is_right};
use super::pair::{ROUNDS, median};
use super::result::Skipped;
use super::run::{Options, chosen};
use crate::check::Exponential;
use crate::error::{Error, Result};
use crate::gpu::{Clock, Command, Gpu, Program, profile_by};

/// One program, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The case and its direction, in words.
    pub case: String,
    /// By which plan it runs.
    pub plan: String,
    /// The largest error in units of its tolerance.
    pub error: f64,
    /// What time was measured with.
    pub clock: Clock,
    /// Kernels, those that take longest first; copies count as one. None if the result was wrong: it gets no time.
    pub kernels: Vec<Share>,
    /// Compute passes of the program.
    pub passes: usize,
    /// Of a step of training.
    pub step: Option<Step>,
}

impl Explanation {
    /// Of a result that is wrong.
    pub(super) fn wrong(case: String, plan: String, error: f64) -> Self {
        Self { case, plan, error, clock: Clock::Wall, kernels: Vec::new(), passes: 0, step: None }
    }

    /// Whether the result was right.
    pub fn is_right(&self) -> bool {
        is_right(self.error)
    }
}

/// What a kernel is of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Stem and entry point, or "copy".
    pub label: String,
    /// Dispatches, or copies.
    pub count: usize,
    /// Estimated operations of all of them.
    pub flops: f64,
    /// Estimated bytes that they load and store, if every value moves once.
    pub bytes: f64,
    /// Milliseconds of all of them, each alone in a pass: the median over some runs.
    pub ms: f64,
}

/// What a step of training is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Dispatches that one more block adds.
    pub dispatches_of_a_block: usize,
    /// Passes that one more block adds.
    pub passes_of_a_block: usize,
    /// Milliseconds in which the processor records a step.
    pub encoding_ms: f64,
    /// Milliseconds of a step by the host's clock.
    pub step_ms: f64,
}

/// Takes the cases that were asked for apart, and hands on each as it is there, or why it does not run here. Breaks if told to stop.
///
/// # Errors
/// [`Error::Config`] if nothing was asked for that can be explained; as [`super::run()`].
pub async fn explain(
    gpu: &Gpu,
    options: &Options,
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
            match cases::train::explain(model, case, &mut measure).await {
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

/// The kernels of a program with their times.
pub(super) async fn shares(measure: &Measure<'_>, program: &Program) -> Result<(Clock, Vec<Share>)> {
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    for command in program.commands() {
        let label = match command {
            Command::Dispatch(dispatch) => dispatch.label.clone(),
            Command::Mirror(_) | Command::Fetch(_) => "copy".to_owned(),
        };
        let empty = Share { label: label.clone(), count: 0, flops: 0.0, bytes: 0.0, ms: 0.0 };
        let share = shares.entry(label).or_insert(empty);
        let cost = command.cost();
        share.count += 1;
        share.flops += cost.flops;
        share.bytes += cost.bytes;
    }
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut clock = Clock::Wall;
    for _ in 0..ROUNDS {
        let (with, kernels) = profile_by(&measure.gpu, measure.watch.stamps(), program).await?;
        clock = with;
        kernels.into_iter().for_each(|kernel| times.entry(kernel.label).or_default().push(1e3 * kernel.seconds));
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    for share in &mut shares {
        share.ms = times.get(&share.label).map_or(0.0, |times| median(times));
    }
    shares.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok((clock, shares))
}

/// Compute passes of a program: runs of dispatches between copies.
pub(super) fn passes(program: &Program) -> usize {
    let is_dispatch = |command: &Command| matches!(command, Command::Dispatch(_));
    let runs = program.commands().chunk_by(|a, b| is_dispatch(a) && is_dispatch(b));
    runs.filter(|run| is_dispatch(&run[0])).count()
}

/// Milliseconds in which the processor records programs, none of which runs.
pub(super) fn encoding_ms(gpu: &Gpu, programs: &[&Program]) -> f64 {
    let once = || {
        let start = Instant::now();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        programs.iter().for_each(|program| program.record(&mut encoder));
        drop(encoder.finish());
        1e3 * start.elapsed().as_secs_f64()
    };
    median(&(0..ROUNDS).map(|_| once()).collect::<Vec<_>>())
}
