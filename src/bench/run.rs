//! Runs the benchmark: ceilings first, then the groups of cases. Completed results are kept if the run fails.

use std::ops::ControlFlow;

use web_time::Instant;

use super::cases::{Group, chosen, skipped};
use super::clock::Stopwatch;
use super::describe::adapter;
use super::gate::FAIL;
use super::measure::Measure;
use super::options::{BenchOptions, Progress};
use super::result::{Results, Row, SCHEMA, Skipped};
use super::roofline::Ceiling;
use crate::check::Exponential;
use crate::error::Result;
use crate::gpu::Gpu;

/// Commit of this library, if built from a checkout.
pub const COMMIT: Option<&str> = option_env!("AFT_COMMIT");

/// Measures a device. Rows are added to `results` as they are completed, so that they survive an error. `progress` is called
/// before each part; `stop` is checked between measurements. Returns `Continue` if everything was done.
///
/// # Errors
/// [`crate::Error::Config`] if the options select no case; [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
pub async fn run(
    gpu: &Gpu,
    options: &BenchOptions,
    results: &mut Results,
    mut progress: impl FnMut(&Progress),
    stop: &dyn Fn() -> bool,
) -> Result<ControlFlow<()>> {
    let start = Instant::now();
    let effort = options.effort;
    let groups = Group::all(chosen(gpu, options)?);
    // A ceiling takes less effort than a case: one kernel, and no check.
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
    // The clock may have changed during the run.
    results.adapter = adapter(gpu, &measure.watch, options.commit.clone());
    results.complete = true;
    tell("done".into());
    Ok(ControlFlow::Continue(()))
}

impl Results {
    /// Empty results for a new run.
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

    /// Rows with wrong results.
    pub fn failures(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.gate == FAIL).collect()
    }
}
