//! A run of the benchmark: ceilings first, then group by group of cases; what is done is kept, whatever comes.

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

/// The commit that this library is built from, if it is a checkout's.
pub const COMMIT: Option<&str> = option_env!("AFT_COMMIT");

/// Measures a device. Results come into `results` as they are there, so that they outlive an error; `progress` is told what is
/// next, and `stop` is asked between measurements. Gives whether all was done.
///
/// # Errors
/// [`crate::Error::Config`] if nothing was asked for that there is; [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
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
