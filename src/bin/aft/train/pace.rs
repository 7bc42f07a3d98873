//! How many steps fit into a given time: decided once, from what the parts of a run take on this machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::train::Trainer;

use super::job::Job;
use super::run::{EVALUATED, sample, valid_windows};
use super::run_config::RunConfig;

/// Part of the time that is left unplanned: later steps may be slower than the first.
const MARGIN: f64 = 0.03;

/// What the parts of a run take, in seconds.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// A training step, with its share of the evaluations on the way.
    step: f64,
    /// What comes after the last step: evaluation, saving, sampling.
    after: f64,
}

impl Pace {
    /// The number of steps with which a command ends after about `budget` seconds, of which `spent` are over.
    fn steps_within(&self, budget: f64, spent: f64) -> u32 {
        let left = budget * (1.0 - MARGIN) - spent - self.after;
        // The conversion saturates.
        ((left / self.step) as u32).max(1)
    }
}

/// Measures the parts of the run on a model that is thrown away, and gives the number of steps with which the command that
/// began at `start` ends after about `budget` seconds.
pub async fn calibrate(job: &Job, budget: f64, start: Instant) -> Result<u32> {
    let Job { gpu, corpus, config, .. } = job;
    let RunConfig { model, train, sample_bytes, .. } = config;
    let trainer = &mut Trainer::new(gpu, model, train, Arc::clone(&corpus.train)).await?;
    let limit = measuring_time(budget);
    let step = seconds_each(limit, train.steps, async |count| trainer.advance(count).await.map(|_| ())).await?;
    let batch = u64::from(train.batch);
    let evaluation = seconds_each(limit / 4, u32::MAX, async |count| {
        let windows = Some(batch * u64::from(count));
        trainer.evaluate(&corpus.valid, windows).await.map(|_| ())
    });
    let window = evaluation.await? / batch as f64;
    let saving = seconds_each(Duration::ZERO, 1, async |_| trainer.checkpoint().await?.to_bytes().map(|_| ())).await?;
    let sampling = match sample_bytes {
        0 => 0.0,
        bytes => {
            let some = async |count| sample(gpu, trainer, count as usize, 0).await.map(|_| ());
            f64::from(*bytes) * seconds_each(limit / 4, u32::MAX, some).await?
        }
    };
    let pace = Pace {
        step: step + EVALUATED * config.step_windows() * window,
        after: valid_windows(corpus, model)? as f64 * window + saving + sampling,
    };
    log::debug!("{pace:?}; a window {window:.4} s, saving {saving:.3} s, sampling {sampling:.2} s");
    Ok(pace.steps_within(budget, start.elapsed().as_secs_f64()))
}

/// How long to measure: a small part of the time there is, and no longer than gives a steady mean.
fn measuring_time(budget: f64) -> Duration {
    Duration::from_secs_f64((0.02 * budget).clamp(0.05, 1.5))
}

/// Seconds that one of `run`'s units takes, from about `limit` of them or `most` units. The first unit pays for what is made
/// once and does not count, unless it alone takes that long.
async fn seconds_each(limit: Duration, most: u32, mut run: impl AsyncFnMut(u32) -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    run(1).await?;
    if begun.elapsed() >= limit || most == 1 {
        return Ok(begun.elapsed().as_secs_f64());
    }
    let (begun, mut units) = (Instant::now(), 0);
    while begun.elapsed() < limit && units < most {
        let more = units.clamp(1, most - units);
        run(more).await?;
        units += more;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(units))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    const PACE: Pace = Pace { step: 0.1, after: 7.0 };

    #[test]
    fn the_steps_fill_the_time() {
        for (budget, spent) in [(100.0, 3.0), (100.0, 50.0), (20.0, 1.0)] {
            let ends = spent + f64::from(PACE.steps_within(budget, spent)) * PACE.step + PACE.after;
            assert!(ends <= budget && ends >= budget * (1.0 - MARGIN) - PACE.step, "{budget}: ends at {ends}");
        }
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(PACE.steps_within(5.0, 3.0), 1);
        assert_eq!(PACE.steps_within(0.001, 3.0), 1);
        assert_eq!(Pace { step: 1e-12, after: 0.0 }.steps_within(1e9, 0.0), u32::MAX);
        assert_eq!(Pace { step: 0.0, after: 0.0 }.steps_within(10.0, 0.0), u32::MAX);
    }

    #[test]
    fn measuring_takes_little_of_the_time() {
        for budget in [5.0, 100.0, 1e6] {
            assert!(measuring_time(budget).as_secs_f64() <= 0.02 * budget);
        }
        assert!(measuring_time(1e-9) > Duration::ZERO);
    }

    /// Measures units of 2 ms after a first one of `first` ms: the seconds found, and the units run.
    fn measured(first: u64, limit: u64, most: u32) -> (f64, Vec<u32>) {
        let mut runs = Vec::new();
        let run = async |count: u32| {
            let millis = if runs.is_empty() { first } else { 2 * u64::from(count) };
            runs.push(count);
            std::thread::sleep(Duration::from_millis(millis));
            Ok(())
        };
        let seconds = pollster::block_on(seconds_each(Duration::from_millis(limit), most, run)).unwrap();
        (seconds, runs)
    }

    #[test]
    fn the_first_unit_counts_only_if_it_is_long() {
        // A sleep may last longer than asked for, never shorter.
        let (seconds, runs) = measured(150, 200, u32::MAX);
        assert!((0.002..0.1).contains(&seconds), "{seconds}");
        assert!(runs.len() >= 3 && runs.windows(2).skip(1).all(|pair| pair[0] <= pair[1]), "{runs:?}");
        let (seconds, runs) = measured(40, 30, u32::MAX);
        assert!(seconds >= 0.04 && runs == [1], "{seconds} {runs:?}");
        assert_eq!(measured(1, 1000, 5).1.iter().skip(1).sum::<u32>(), 5, "no more units than there are");
    }
}
