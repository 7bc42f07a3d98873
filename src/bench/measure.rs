//! Context for measuring cases: the device, its clock, its ceilings, and the time budget.

use std::ops::ControlFlow;

use web_time::Instant;

use super::clock::Stopwatch;
use super::gate::FAIL;
use super::options::Effort;
use super::pair::{Paired, in_turns, median, quantile};
use super::prepared::Timed;
use super::result::{self, Row};
use super::roofline::{Ceiling, CeilingKernel};
use crate::check::ExpError;
use crate::error::Result;
use crate::gpu::{Gpu, Program, Recorder};

/// The device and its measured properties.
pub(super) struct Measure<'a> {
    pub(super) gpu: Gpu,
    pub(super) watch: Stopwatch,
    /// The error of the adapter's exponential that tolerances allow for.
    pub(super) exp: ExpError,
    /// Sets the seconds for a row and for the whole run.
    effort: Effort,
    begun: Instant,
    /// Returns whether to stop.
    pub(super) stop: &'a dyn Fn() -> bool,
    /// Prepared kernels of ceilings, each with the requested bytes of its planes.
    pub(super) ceilings: Vec<(u64, CeilingKernel)>,
}

impl<'a> Measure<'a> {
    pub(super) fn new(gpu: &Gpu, watch: Stopwatch, exp: ExpError, effort: Effort, stop: &'a dyn Fn() -> bool) -> Self {
        Self { gpu: gpu.clone(), watch, exp, effort, begun: Instant::now(), stop, ceilings: Vec::new() }
    }

    /// Runs a program once and waits for it.
    ///
    /// # Errors
    /// As [`Recorder::run`].
    pub(super) async fn run(&self, program: &Program) -> Result<()> {
        let mut recorder = Recorder::new(&self.gpu);
        recorder.run(program).await?;
        recorder.finish().await
    }

    /// Seconds available for a row.
    pub(super) fn allowance_s(&self) -> f64 {
        self.effort.allowance_s()
    }

    /// Why no further case starts, if the time budget is used up.
    pub(super) fn spent(&self) -> Option<String> {
        let limit_s = self.effort.limit_s();
        let over = self.begun.elapsed().as_secs_f64() > limit_s;
        over.then(|| format!("the {limit_s} s of this effort were spent"))
    }

    /// Measures a ceiling alone; none if told to stop.
    ///
    /// # Errors
    /// Those of the kernels.
    pub(super) async fn ceiling_alone(&mut self, ceiling: Ceiling) -> Result<Option<result::Limit>> {
        let allowance_s = self.allowance_s();
        let Self { gpu, watch, stop, .. } = self;
        let kernel = gpu.checked("preparing a ceiling", || CeilingKernel::new(gpu, ceiling)).await?;
        let values: Vec<f64> = if ceiling == Ceiling::Submit {
            submissions(gpu, &kernel.program).await?
        } else {
            let Some(paired) = in_turns(watch, &[(&kernel.program, None)], allowance_s, *stop).await? else {
                return Ok(None);
            };
            let value = |seconds: &f64| if ceiling.is_latency() { seconds * 1e6 } else { kernel.work / seconds * 1e-9 };
            paired.iter().flat_map(|paired| &paired.seconds).map(value).collect()
        };
        let [min, value, max] = [0.0, 0.5, 1.0].map(|p| quantile(&values, p));
        Ok(Some(result::Limit { name: ceiling.name().into(), value, unit: ceiling.unit().into(), min, max }))
    }

    /// Times programs with checked results, in turns, and adds their rows. A wrong result gets no time. If told to stop, only
    /// wrong results are added.
    ///
    /// # Errors
    /// As the kernels.
    pub(super) async fn rows(&mut self, all: &[&Timed], rows: &mut Vec<Row>) -> Result<ControlFlow<()>> {
        let mut judged: Vec<_> = all.iter().map(|timed| timed.judged()).collect();
        // Rows to time, their programs, and the indices of their ceilings' kernels.
        let right: Vec<_> = judged.iter_mut().zip(all).filter(|(row, _)| row.gate != FAIL).collect();
        let mut places = Vec::new();
        for (row, timed) in &right {
            places.push(self.ceiling(timed.ceiling, row.bytes.unwrap_or(f64::INFINITY)).await?);
        }
        let ceilings: Vec<_> = places.iter().map(|&place| &self.ceilings[place].1).collect();
        let programs: Vec<_> =
            right.iter().zip(&ceilings).map(|((_, timed), &ceiling)| (&timed.program, Some(ceiling))).collect();
        let paired = in_turns(&mut self.watch, &programs, self.effort.allowance_s(), self.stop).await?;
        let Some(paired) = paired else {
            rows.extend(judged.into_iter().filter(|row| row.gate == FAIL));
            return Ok(ControlFlow::Break(()));
        };
        for (((row, timed), ceiling), paired) in right.into_iter().zip(ceilings).zip(&paired) {
            times(row, paired);
            row.clock = Some(self.watch.name().into());
            row.limit = Some(timed.ceiling.name().into());
            let work = if timed.ceiling == Ceiling::Fma { row.flops } else { row.bytes };
            if let Some(work) = work {
                fill_percents(row, paired, work, ceiling.work);
            }
        }
        rows.extend(judged);
        Ok(ControlFlow::Continue(()))
    }

    /// Prepares the kernel of a ceiling and returns its index in `ceilings`. The kernel of a bandwidth ceiling moves about
    /// `bytes`.
    ///
    /// # Errors
    /// As [`CeilingKernel::beside`].
    pub(super) async fn ceiling(&mut self, ceiling: Ceiling, bytes: f64) -> Result<usize> {
        // Rounded to powers of two, so that few kernels are prepared.
        let bytes = if ceiling.is_bandwidth() { bytes.log2().round().exp2() } else { 0.0 };
        if let Some(place) =
            self.ceilings.iter().position(|(size, kernel)| *size == bytes as u64 && kernel.ceiling == ceiling)
        {
            return Ok(place);
        }
        let gpu = &self.gpu;
        let kernel = gpu.checked("preparing a ceiling", || CeilingKernel::beside(gpu, ceiling, bytes)).await?;
        self.ceilings.push((bytes as u64, kernel));
        Ok(self.ceilings.len() - 1)
    }
}

/// Writes the seconds of single executions into a row.
pub(super) fn times(row: &mut Row, paired: &Paired) {
    let [min, middle, most] = [0.0, 0.5, 0.9].map(|p| Some(1e3 * quantile(&paired.seconds, p)));
    (row.min_ms, row.median_ms, row.p90_ms) = (min, middle, most);
    row.repetitions = Some(paired.runs);
}

/// Writes the percentages of a ceiling into a row, round by round, for a case that does `work`.
pub(super) fn fill_percents(row: &mut Row, paired: &Paired, work: f64, ceiling_work: f64) {
    let percents = paired.percents(work, ceiling_work);
    row.percent_of_limit = Some(median(&percents));
    row.percent_spread = Some([quantile(&percents, 0.0), quantile(&percents, 1.0)]);
}

/// Microseconds of single submissions, each waited for, by the host's clock.
async fn submissions(gpu: &Gpu, program: &Program) -> Result<Vec<f64>> {
    let slices = program.repeated(gpu, 1);
    let mut all = Vec::new();
    for _ in 0..51 {
        all.push(1e6 * crate::gpu::timed(gpu, None, &slices).await?.1);
    }
    Ok(all)
}
