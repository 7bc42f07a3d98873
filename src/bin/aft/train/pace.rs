//! How many steps fit into a given time: estimated from what the parts of a run take, and fixed while it is under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::train::Trainer;

use super::job::Job;
use super::run_config::RunConfig;
use super::sample::sample;
use super::valid::Valid;

/// Windows evaluated on the way, as a part of those trained on: about a twentieth of the time, as a window costs a third
/// without its gradient.
pub const EVALUATED: f64 = 0.15;

/// Part of the time that is left unplanned: later steps may be slower than the first.
const MARGIN: f64 = 0.03;

/// When the number of steps is fixed: after this part of the time that there is for steps, and no earlier than after the other
/// part of the whole time. What was measured before the first step may be wrong, as another program was busy then.
const FIXED_AFTER: (f64, f64) = (0.25, 0.1);

/// A command ends on time within this part of it.
const ON_TIME: f64 = 0.1;

/// What the parts of a run take, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A training step, with its share of the evaluations on the way.
    pub step: f64,
    /// What comes after the last step: evaluation, saving, sampling.
    pub after: f64,
}

impl Pace {
    /// The number of steps after which, with what follows on them, about `seconds` are over.
    pub fn steps_within(&self, seconds: f64) -> u32 {
        // The conversion saturates, at 0 as well.
        ((seconds * (1.0 - MARGIN) - self.after) / self.step) as u32
    }
}

/// What a command knows of its time.
pub struct Clock {
    start: Instant,
    /// Seconds that the run was at work before this command.
    pub before: f64,
    /// An estimate of what comes after the last step, in seconds.
    pub after: f64,
    /// What the number of steps was fixed by, and when that was: none where it was given.
    fixed: Option<(Pace, Instant)>,
}

impl Clock {
    /// Of a command that began at `start`.
    pub fn new(start: Instant) -> Self {
        Self { start, before: 0.0, after: 0.0, fixed: None }
    }

    /// Wall time of the command so far.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds of a run's time that are over.
    pub fn spent(&self) -> f64 {
        self.before + self.seconds()
    }

    /// At how many seconds of a run's `budget` the number of steps is to be fixed, for a run whose steps begin now.
    pub fn fixed_at(&self, budget: f64) -> f64 {
        let spent = self.spent();
        (spent + FIXED_AFTER.0 * (budget - spent - self.after)).max(FIXED_AFTER.1 * budget)
    }

    /// The number of steps was fixed by `pace`.
    pub fn fix(&mut self, pace: Pace) {
        self.fixed = Some((pace, Instant::now()));
    }

    /// Why a run whose number of steps was fixed here takes another time than its `budget`; none if it is on time. Since then it
    /// did `steps` steps until `trained`, and then all the rest.
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

/// What is known of the steps of a run until their number is fixed.
pub struct Measured {
    /// At how many seconds of the run's time that is to be.
    pub at: f64,
    last: Instant,
    /// Steps, and the time that they took with all that is done between them.
    stretches: Vec<(u32, Duration)>,
}

impl Measured {
    pub fn new(at: f64) -> Self {
        Self { at, last: Instant::now(), stretches: Vec::new() }
    }

    /// Takes the `steps` since the last call.
    pub fn add(&mut self, steps: u32) {
        let now = Instant::now();
        self.stretches.push((steps, now.duration_since(self.last)));
        self.last = now;
    }

    /// Mean time of a step over the later half of the time, in seconds: how the machine is now.
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

/// Measures the parts of the run on a model that is thrown away.
pub async fn calibrate(job: &Job, valid: &Valid, budget: f64) -> Result<Pace> {
    let Job { gpu, corpus, config, .. } = job;
    let RunConfig { model, train, .. } = config;
    let trainer = &mut Trainer::new(gpu, model, train, Arc::clone(&corpus.train)).await?;
    let limit = measuring_time(budget);
    let step = seconds_each(limit, train.steps, async |count| trainer.advance(count).await.map(|_| ())).await?;
    measure(job, valid, trainer, step, budget).await
}

/// Measures all but the steps, which take `step` seconds each; the trainer is afterwards as it was.
pub async fn measure(job: &Job, valid: &Valid, trainer: &Trainer, step: f64, budget: f64) -> Result<Pace> {
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
