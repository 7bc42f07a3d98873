//! A run of the benchmark: ceilings first, then group by group of cases; what is done is kept, whatever comes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use web_time::Instant;

use super::cases::{self, Case, Group, skipped};
use super::clock::Stopwatch;
use super::describe::adapter;
use super::measure::{FAIL, Measure};
use super::result::{Results, Row, SCHEMA, Skipped};
use super::roofline::Ceiling;
use crate::check::Exponential;
use crate::error::{Error, Result};
use crate::gpu::Gpu;

/// The commit that this library is built from, if it is a checkout's.
pub const COMMIT: Option<&str> = option_env!("AFT_COMMIT");

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Short lengths: a minute or so on two cores.
    Quick,
    /// Every shape: up to half an hour.
    Full,
}

/// Which cases are measured; all that is none asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// An operation, as "aft" or "linear".
    pub op: Option<String>,
    /// A form, as "local".
    pub form: Option<String>,
    /// A length T.
    pub length: Option<u32>,
}

/// What a run is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How much.
    pub effort: Effort,
    /// Which.
    pub filter: Filter,
    /// The commit of the library, if known.
    pub commit: Option<String>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Parts done: ceilings, checks of cases, and the times of those that take turns.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// Seconds left, if what is to come takes as long for its size as what was; unknown at first.
    pub left_s: Option<f64>,
    /// What comes next.
    pub next: String,
}

impl Effort {
    /// Seconds for a row.
    pub(super) fn allowance_s(self) -> f64 {
        match self {
            Self::Quick => 0.25,
            Self::Full => 1.5,
        }
    }

    /// Seconds after which no case is begun.
    pub(super) fn limit_s(self) -> f64 {
        match self {
            Self::Quick => 165.0,
            Self::Full => 1700.0,
        }
    }
}

/// The cases that were asked for.
///
/// # Errors
/// [`Error::Config`] if there are none, with what there is to ask for.
pub(super) fn chosen(gpu: &Gpu, Options { effort, filter, .. }: &Options) -> Result<Vec<Case>> {
    let cases = |effort, filter: &Filter| {
        let mut cases = cases::all(gpu.caps().adapter.class, effort);
        cases.retain(|case| case.is_in(filter));
        cases
    };
    let any_length = Filter { length: None, ..filter.clone() };
    let lengths = |effort| list(cases(effort, &any_length).iter().filter_map(|case| case.row().T));
    let found = cases(*effort, filter);
    if !found.is_empty() {
        return Ok(found);
    }
    Err(Error::Config(if !cases(Effort::Full, filter).is_empty() {
        format!("no such case in a quick run, only with --full. A quick run has these lengths: {}", lengths(*effort))
    } else if filter.length.is_some() && !cases(Effort::Full, &any_length).is_empty() {
        let [quick, full] = [Effort::Quick, Effort::Full].map(lengths);
        format!("no case of this length. There are these lengths: {quick}; with --full: {full}")
    } else {
        let rows: Vec<_> = cases(Effort::Full, &Filter::default()).iter().map(Case::row).collect();
        let ops = list(rows.iter().map(|row| &row.op));
        let forms = list(rows.iter().filter_map(|row| row.form.as_ref()));
        format!("no such case. There are the operations {ops} and the forms {forms}")
    }))
}

/// Names in order, each once.
fn list<T: Ord + ToString>(names: impl Iterator<Item = T>) -> String {
    match Vec::from_iter(BTreeSet::from_iter(names).iter().map(T::to_string)) {
        names if names.is_empty() => "none".into(),
        names => names.join(", "),
    }
}

/// Measures a device. Results come into `results` as they are there, so that they outlive an error; `progress` is told what is
/// next, and `stop` is asked between measurements. Gives whether all was done.
///
/// # Errors
/// [`Error::Config`] if nothing was asked for that there is; [`Error::DeviceLost`], [`Error::Rejected`].
pub async fn run(
    gpu: &Gpu,
    options: &Options,
    results: &mut Results,
    mut progress: impl FnMut(&Progress),
    stop: &dyn Fn() -> bool,
) -> Result<ControlFlow<()>> {
    let start = Instant::now();
    let effort = options.effort;
    let groups = Group::all(chosen(gpu, options)?);
    // A ceiling is less than a case: one execution of it, and nothing to check.
    let mut efforts = vec![0.3; Ceiling::ALL.len()];
    efforts.extend(groups.iter().flat_map(Group::efforts));
    let of = efforts.len();
    let mut done = 0;
    let mut tell = |next: String| {
        let (past, left) = efforts.split_at(done.min(of));
        let [past, left] = [past, left].map(|efforts| efforts.iter().fold(0.0, |sum, effort| sum + effort));
        let left_s = (done > 0).then(|| start.elapsed().as_secs_f64() / past * left);
        progress(&Progress { done, of, left_s, next });
        done += 1;
    };
    let watch = Stopwatch::new(gpu).await?;
    results.adapter = adapter(gpu, &watch, options.commit.clone());
    let exp = Exponential::measure(gpu).await?.error;
    let mut measure = Measure::new(gpu, watch, exp, effort, stop);
    for ceiling in Ceiling::ALL {
        let name = format!("limit: {}", ceiling.name());
        tell(name.clone());
        if ceiling == Ceiling::FmaHalf && !gpu.caps().features.contains(wgpu::Features::SHADER_F16) {
            results.skipped.push(Skipped { case: name, reason: "shader-f16 is not granted".into() });
            continue;
        }
        match measure.ceiling_alone(ceiling).await {
            Ok(Some(limit)) => results.limits.push(limit),
            Ok(None) => return Ok(ControlFlow::Break(())),
            Err(error) => results.skipped.push(skipped(name, error)?),
        }
    }
    for group in &groups {
        if group.measure(&mut measure, results, &mut tell).await?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    // The clock may have been given up on the way.
    results.adapter = adapter(gpu, &measure.watch, options.commit.clone());
    results.complete = true;
    tell("done".into());
    Ok(ControlFlow::Continue(()))
}

impl Results {
    /// Results of a run that begins.
    pub fn new(gpu: &Gpu) -> Self {
        let adapter = super::describe::untimed(gpu, None);
        Self {
            schema: SCHEMA.into(),
            complete: false,
            adapter,
            limits: Vec::new(),
            rows: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Rows whose result was wrong.
    pub fn failures(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.gate == FAIL).collect()
    }
}
