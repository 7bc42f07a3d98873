//! Fits the number of steps to a given time: estimated from measurements, then fixed during the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::train::Trainer;

use super::job::Job;
use super::run_config::RunConfig;
use super::sample::sample;
use super::valid::Valid;

/// Evaluated windows during training as a fraction of trained windows. A window without a gradient costs a third, so this is
/// about a twentieth of the time.
pub const EVALUATED: f64 = 0.15;

/// Fraction of the time kept in reserve: later steps may be slower than the first.
const MARGIN: f64 = 0.03;

/// When the number of steps is fixed: after the first fraction of the time for steps, and not before the second fraction of the
/// whole time. The measurement before the first step may be wrong, for example while another program was busy.
const FIXED_AFTER: (f64, f64) = (0.25, 0.1);

/// Relative tolerance within which a command counts as on time.
const ON_TIME: f64 = 0.1;

/// Measured times of the parts of a run, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A training step, including its share of the evaluations during training.
    pub step: f64,
    /// Everything after the last step: evaluation, saving, sampling.
    pub after: f64,
}

impl Pace {
    /// The number of steps that fit, with everything after them, into about `seconds`.
    pub fn steps_within(&self, seconds: f64) -> u32 {
        // The conversion saturates, also at 0.
        ((seconds * (1.0 - MARGIN) - self.after) / self.step) as u32
    }
}

/// Time budget of a command.
pub struct Clock {
    start: Instant,
    /// Seconds that the run worked before this command.
    pub before: f64,
    /// Estimated seconds after the last step.
    pub after: f64,
    /// The measured pace when the number of steps was fixed, and when that was. None if the number was given.
    fixed: Option<(Pace, Instant)>,
}

impl Clock {
    /// Clock of a command that began at `start`.
    pub fn new(start: Instant) -> Self {
        Self { start, before: 0.0, after: 0.0, fixed: None }
    }

    /// Wall time of the command so far.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds of the run's time used so far.
    pub fn spent(&self) -> f64 {
        self.before + self.seconds()
    }

    /// When to fix the number of steps, in seconds of the run's time. Call it as the steps begin.
    pub fn fixed_at(&self, budget: f64) -> f64 {
        let spent = self.spent();
        (spent + FIXED_AFTER.0 * (budget - spent - self.after)).max(FIXED_AFTER.1 * budget)
    }

    /// Records that the number of steps was fixed by `pace`.
    pub fn fix(&mut self, pace: Pace) {
        self.fixed = Some((pace, Instant::now()));
    }

    /// Why the run misses its time `budget`, if it does. Only for a number of steps that was fixed here. Since then the run did
    /// `steps` steps until `trained`, then everything after them.
    pub fn excuse(&self, budget: f64, steps: u32, trained: Instant) -> Option<String> {
        let (planned, fixed) = self.fixed?;
        let spent = self.spent();
        if (spent - budget).abs() <= ON_TIME * budget {
            return None;
        }
        let step = 1e3 * trained.duration_since(fixed).as_secs_f64() / f64::from(steps.max(1));
        let after = trained.elapsed().as_secs_f64();
        Some(format!(
            "the run took {spent:.1} s, not {budget} s: when its number of steps was fixed, a step took {:.2} ms, and then {step:.2} ms; \
             evaluating, sampling and saving were to take {:.1} s and took {after:.1} s (--valid-bytes and --sample-bytes set how much there is of it)",
            1e3 * planned.step,
            planned.after
        ))
    }
}

/// Step times measured until the number of steps is fixed.
pub struct Measured {
    /// When to fix it, in seconds of the run's time.
    pub at: f64,
    last: Instant,
    /// Steps and their time, including everything done between them.
    stretches: Vec<(u32, Duration)>,
}

impl Measured {
    pub fn new(at: f64) -> Self {
        Self { at, last: Instant::now(), stretches: Vec::new() }
    }

    /// Adds the `steps` since the last call.
    pub fn add(&mut self, steps: u32) {
        let now = Instant::now();
        self.stretches.push((steps, now.duration_since(self.last)));
        self.last = now;
    }

    /// Mean time of a step over the later half of the time, in seconds: the machine's current speed.
    pub fn step_seconds(&self) -> f64 {
        let half = self.stretches.iter().map(|(_, time)| *time).sum::<Duration>() / 2;
        let (mut steps, mut sum) = (0, Duration::ZERO);
        for (some, time) in self.stretches.iter().rev() {
            if sum >= half && steps > 0 {
                break;
            }
            steps += some;
            sum += *time;
        }
        sum.as_secs_f64() / f64::from(steps)
    }
}

/// Measures the parts of the run on a temporary model.
pub async fn calibrate(job: &Job, valid: &Valid, budget: f64) -> Result<Pace> {
    let Job { gpu, corpus, config, .. } = job;
    let RunConfig { model, train, .. } = config;
    let trainer = &mut Trainer::new(gpu, model, train, Arc::clone(&corpus.train)).await?;
    let limit = measuring_time(budget);
    let step = seconds_each(limit, train.steps, async |count| trainer.advance(count).await.map(|_| ())).await?;
    measure(job, valid, trainer, step, budget).await
}

/// Measures everything but the steps, which take `step` seconds each. The trainer is restored afterwards.
pub async fn measure(job: &Job, valid: &Valid, trainer: &mut Trainer, step: f64, budget: f64) -> Result<Pace> {
    let Job { gpu, config, .. } = job;
    let limit = measuring_time(budget) / 4;
    let batch = u64::from(config.train.batch);
    let most = valid.all.count().div_ceil(batch) as u32;
    let evaluation = seconds_each(limit, most, async |count| {
        let windows = Some(batch * u64::from(count));
        trainer.evaluator().bits_per_byte(&valid.all, windows).await.map(|_| ())
    });
    let window = evaluation.await? / batch as f64;
    let saving = seconds_each(Duration::ZERO, 1, async |_| trainer.checkpoint().await?.to_bytes().map(|_| ())).await?;
    let sampling = match config.sample_bytes {
        0 => 0.0,
        bytes => {
            let some = async |count| sample(gpu, trainer, count as usize, 0).await.map(|_| ());
            f64::from(bytes) * seconds_each(limit, u32::MAX, some).await?
        }
    };
    let pace = Pace {
        step: step + EVALUATED * config.step_windows() * window,
        after: valid.windows as f64 * window + saving + sampling,
    };
    log::debug!("{pace:?}; a window {window:.4} s, saving {saving:.3} s, sampling {sampling:.2} s");
    Ok(pace)
}

/// How long to measure: a small fraction of the budget, but no longer than a steady mean needs.
fn measuring_time(budget: f64) -> Duration {
    Duration::from_secs_f64((0.02 * budget).clamp(0.05, 1.5))
}

/// Mean seconds of one unit of `run`, over about `limit` or `most` units. The first unit includes one-time setup and is not
/// counted, unless it alone takes that long.
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
        for left in [97.0, 50.0, 19.0] {
            let ends = f64::from(PACE.steps_within(left)) * PACE.step + PACE.after;
            assert!(ends <= left && ends >= left * (1.0 - MARGIN) - PACE.step, "{left}: ends at {ends}");
        }
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(PACE.steps_within(2.0), 0);
        assert_eq!(PACE.steps_within(-3.0), 0);
        assert_eq!(Pace { step: 1e-12, after: 0.0 }.steps_within(1e9), u32::MAX);
        assert_eq!(Pace { step: 0.0, after: 0.0 }.steps_within(10.0), u32::MAX);
    }

    #[test]
    fn the_number_of_steps_is_fixed_early_but_not_at_once() {
        let at = |before, after| Clock { before, after, ..Clock::new(Instant::now()) }.fixed_at(100.0);
        for (before, after, expected) in [(0.0, 0.0, 25.0), (20.0, 0.0, 40.0), (0.0, 40.0, 15.0), (0.0, 1e6, 10.0)] {
            assert!((at(before, after) - expected).abs() < 1.0, "{before} {after}: {}", at(before, after));
        }
    }

    #[test]
    fn a_slow_beginning_does_not_count() {
        let mut measured = Measured::new(1.0);
        measured.stretches.push((1, Duration::from_secs(3)));
        assert_eq!(measured.step_seconds(), 3.0);
        measured.stretches.extend([(10, Duration::from_millis(100)); 40]);
        assert!((measured.step_seconds() - 0.01).abs() < 1e-9, "{}", measured.step_seconds());
    }

    #[test]
    fn a_run_that_is_not_on_time_says_why() {
        let mut clock = Clock::new(Instant::now());
        clock.before = 100.0;
        assert_eq!(clock.excuse(50.0, 9, Instant::now()), None, "its number of steps was given");
        clock.fix(PACE);
        assert_eq!(clock.excuse(95.0, 9, Instant::now()), None);
        let excuse = clock.excuse(50.0, 9, Instant::now()).unwrap_or_default();
        for part in ["took 100.0 s, not 50 s", "a step took 100.00 ms", "were to take 7.0 s", "--valid-bytes"] {
            assert!(excuse.contains(part), "{excuse}");
        }
    }

    #[test]
    fn measuring_takes_little_of_the_time() {
        for budget in [5.0, 100.0, 1e6] {
            assert!(measuring_time(budget).as_secs_f64() <= 0.02 * budget);
        }
        assert!(measuring_time(1e-9) > Duration::ZERO);
    }

    /// Measures units of 2 ms after a first one of `first` ms. Returns the seconds found and the units run.
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
        // A sleep may last longer than requested, but never shorter.
        let (seconds, runs) = measured(150, 200, u32::MAX);
        assert!((0.002..0.1).contains(&seconds), "{seconds}");
        assert!(runs.len() >= 3 && runs.windows(2).skip(1).all(|pair| pair[0] <= pair[1]), "{runs:?}");
        let (seconds, runs) = measured(40, 30, u32::MAX);
        assert!(seconds >= 0.04 && runs == [1], "{seconds} {runs:?}");
        assert_eq!(measured(1, 1000, 5).1.iter().skip(1).sum::<u32>(), 5, "no more units than there are");
    }
}
