//! A run on one device, from its current step to the results.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::train::Trainer;

use super::curve::Curve;
use super::job::Job;
use super::metrics::{Metrics, Validation};
use super::pace::{EVALUATED, Measured, measure};
use super::progress::{Progress, State, note};
use super::run_config::RunConfig;
use super::run_folder::{CURVE, MODEL, PREVIOUS_MODEL, SAMPLE};
use super::sample::{TEMPERATURE, sample};
use super::schedule::Schedule;
use super::session::{Session, Yardstick};
use super::summary::{Profile, Summary};
use crate::exit::LossNotFinite;
use crate::interrupt::Interrupted;

/// Seconds between progress updates.
const GLANCE: f64 = 0.3;

/// The part of a session that lives on one device.
pub struct Run<'a> {
    session: &'a mut Session,
    trainer: Trainer,
    metrics: Metrics,
    progress: Progress,
    schedule: Schedule,
    /// Measurements for fixing the number of steps; none once it is fixed.
    measured: Option<Measured>,
    /// The step at which it was fixed.
    fixed: u32,
    /// Step and time of the last saved checkpoint.
    saved: (u32, Instant),
    /// The step of the last finite evaluation.
    finite: Option<u32>,
}

impl<'a> Run<'a> {
    /// A run that continues at the step of `metrics`.
    pub fn new(session: &'a mut Session, trainer: Trainer, metrics: Metrics) -> Self {
        let schedule = schedule(&session.job.config);
        let (progress, saved) = (Progress::at_once(), (metrics.step, Instant::now()));
        let clock = &mut session.clock;
        if schedule.measuring && session.job.resumed && clock.before == 0.0 {
            clock.before = metrics.seconds();
        }
        let budget = session.job.config.time_seconds.filter(|_| schedule.measuring);
        let measured = budget.map(|budget| Measured::new(clock.fixed_at(budget)));
        let fixed = metrics.step;
        Self { session, trainer, metrics, progress, schedule, measured, fixed, saved, finite: None }
    }

    /// Runs all steps, with evaluations and checkpoints in between. The last step is always saved.
    pub async fn train(&mut self) -> anyhow::Result<()> {
        self.session.interrupt.hold();
        while self.metrics.step < self.schedule.steps {
            let schedule = self.schedule;
            let step = self.metrics.step;
            let end = schedule.interval_end(step);
            self.advance_to(schedule.stop(step)).await?;
            if self.is_to_be_fixed() {
                self.fix_steps().await?;
            }
            let step = self.metrics.step;
            let last = step >= self.schedule.steps;
            // `finish` ends the last interval with its evaluation.
            if step == end && !last {
                let windows = self.some_windows();
                let valid = if self.schedule.evaluates(step) { self.validate(windows).await? } else { None };
                self.metrics.end_interval(valid)?;
            }
            let asked = self.session.interrupt.asked();
            if asked || last || self.is_due() {
                self.save().await?;
            }
            if asked {
                return Err(self.interrupted().into());
            }
        }
        self.progress.end();
        Ok(())
    }

    /// Whether to fix the number of steps: its time has come, or a quarter of the maximum is done.
    fn is_to_be_fixed(&self) -> bool {
        self.measured.as_ref().is_some_and(|measured| {
            self.session.clock.spent() >= measured.at || self.metrics.step >= self.schedule.steps / 4
        })
    }

    /// Fixes the number of steps from current measurements. Up to here the learning rate did not depend on it, so a run with the
    /// resulting configuration gives the same steps from the beginning.
    async fn fix_steps(&mut self) -> anyhow::Result<()> {
        let Self { session, trainer, metrics, .. } = self;
        let (Some(measured), Some(budget)) = (self.measured.take(), session.job.config.time_seconds) else {
            return Ok(());
        };
        let pace = measure(&session.job, &session.valid, trainer, measured.step_seconds(), budget).await?;
        let config = &mut session.job.config;
        config.end_measuring(metrics.step, pace.steps_within(budget - session.clock.spent()));
        trainer.reschedule(config.train.clone()).await?;
        config.write(&session.job.folder)?;
        session.clock.fix(pace);
        note(format_args!("{} steps fit into {budget} s", config.train.steps));
        self.schedule = schedule(config);
        self.fixed = metrics.step;
        Ok(())
    }

    fn interrupted(&self) -> Interrupted {
        Interrupted { step: self.metrics.step, run: self.session.job.folder.path().display().to_string() }
    }

    /// Whether a checkpoint is due.
    fn is_due(&self) -> bool {
        self.schedule.save_every.due(self.metrics.step, self.saved.1.elapsed())
    }

    /// Runs up to step `stop`, a few steps at a time, and stops early if a checkpoint is due.
    async fn advance_to(&mut self, stop: u32) -> Result<()> {
        while self.metrics.step < stop {
            let few = (GLANCE / self.metrics.step_seconds()) as u32;
            let begun = Instant::now();
            let records = self.trainer.advance(few.clamp(1, stop - self.metrics.step)).await?;
            self.measured.iter_mut().for_each(|measured| measured.add(records.len() as u32));
            self.metrics.add(records, begun.elapsed());
            self.session.faults.after_step(&self.session.job.gpu, self.metrics.step);
            self.show();
            if self.session.interrupt.asked() || self.is_due() || self.is_to_be_fixed() {
                break;
            }
        }
        Ok(())
    }

    fn show(&mut self) {
        let Self { metrics, schedule, session, .. } = self;
        let steps_in = |seconds: f64| (seconds.max(0.0) / metrics.step_seconds()) as u32;
        let left = match session.job.config.time_seconds.filter(|_| schedule.measuring) {
            Some(budget) => steps_in(budget - session.clock.spent() - session.clock.after),
            None => u32::MAX,
        };
        let left = left.min(schedule.steps - metrics.step);
        let state = State {
            step: metrics.step,
            loss: metrics.loss(),
            tokens_per_second: metrics.tokens_per_second(),
            left: Duration::from_secs_f64(f64::from(left) * metrics.step_seconds()),
        };
        self.progress.step(&state, metrics.step + left);
    }

    /// Saves a checkpoint, unless the run has diverged; then the last good one stays. Weights that are not finite make the
    /// checkpoint fail. Finite weights can still give a loss that is not finite, which only an evaluation finds.
    async fn save(&mut self) -> anyhow::Result<()> {
        let step = self.metrics.step;
        if self.saved.0 != step {
            if self.finite != Some(step) {
                let batch = self.session.job.config.train.batch.into();
                let bits = self.trainer.evaluator().bits_per_byte(&self.session.valid.all, Some(batch)).await?;
                self.expect_finite(bits)?;
            }
            self.session.job.folder.save(&self.trainer.checkpoint().await?.to_bytes()?)?;
            self.saved = (step, Instant::now());
            self.session.losses = 0;
        }
        Ok(())
    }

    /// Evaluates, samples, draws the curve and saves the model.
    pub async fn finish(mut self, profile: bool) -> anyhow::Result<Summary> {
        note("evaluating, sampling and saving");
        let trained = Instant::now();
        self.progress = Progress::new();
        let valid = self.validate(self.session.valid.windows).await?;
        self.progress.end();
        let (Some(valid), true) = (valid, self.session.interrupt.release()) else {
            return Err(self.interrupted().into());
        };
        self.metrics.end_interval(Some(valid))?;
        let Job { gpu, config, folder, .. } = &self.session.job;
        let sample = sample(self.trainer.gpu(), &self.trainer, config.sample_bytes as usize, config.train.seed).await?;
        self.draw()?;
        let Yardstick { bigram, words, bits_per_byte: bigram_bits_per_byte } = &self.session.yardstick;
        let (mut word_share, mut bigram_word_share) = (None, None);
        if !sample.is_empty() {
            folder.write(SAMPLE, &sample)?;
            let other = bigram.generate(config.train.seed, f64::from(TEMPERATURE), sample.len());
            (word_share, bigram_word_share) = (Some(words.share(&sample)), Some(words.share(&other)));
        }
        let model = self.trainer.save().await?;
        let profile = match profile {
            true => Some(self.trainer.profile().await.map(|(clock, times)| Profile::new(clock, &times))?),
            false => None,
        };
        folder.write(MODEL, &model)?;
        folder.remove(PREVIOUS_MODEL)?;
        let steps = self.metrics.step - self.fixed;
        let excuse = config.time_seconds.and_then(|budget| self.session.clock.excuse(budget, steps, trained));
        excuse.into_iter().for_each(note);
        Ok(Summary {
            valid_bytes: self.session.valid.bytes,
            valid_part_bytes: self.session.valid.of_bytes,
            valid_bits_per_byte: valid.bits_per_byte,
            bigram_bits_per_byte: *bigram_bits_per_byte,
            word_share,
            bigram_word_share,
            tokens_per_second: self.metrics.tokens_per_second(),
            seconds: self.session.clock.seconds(),
            steps: self.metrics.step,
            skipped_steps: self.metrics.skipped,
            parameters: config.model.parameters()?,
            whole: config.data.whole,
            adapter: gpu.caps().adapter.to_string(),
            run: folder.path().display().to_string(),
            profile,
            sample,
        })
    }

    /// Evaluates `windows` of the validation text. None if the run was told to stop meanwhile. Fails if the result is not finite.
    async fn validate(&mut self, windows: u64) -> anyhow::Result<Option<Validation>> {
        let Self { session, trainer, progress, .. } = self;
        let begun = Instant::now();
        let each = |done| {
            progress.window(done, windows, begun);
            if session.interrupt.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let result = trainer.evaluator().bits_per_byte_while(&session.valid.all, Some(windows), each).await?;
        let Some(bits_per_byte) = result else { return Ok(None) };
        self.expect_finite(bits_per_byte)?;
        Ok(Some(Validation { bits_per_byte, windows }))
    }

    /// Fails if the result of an evaluation is not finite.
    fn expect_finite(&mut self, bits_per_byte: f64) -> Result<(), LossNotFinite> {
        let step = self.metrics.step;
        self.finite = Some(step).filter(|_| bits_per_byte.is_finite());
        self.finite.map(|_| ()).ok_or(LossNotFinite::InTraining { step })
    }

    /// Number of windows in an evaluation during training.
    fn some_windows(&self) -> u64 {
        let trained = self.session.job.config.step_windows() * f64::from(self.schedule.evaluated_every());
        ((trained * EVALUATED).ceil() as u64).clamp(1, self.session.valid.windows)
    }

    fn draw(&self) -> Result<()> {
        let RunConfig { data, model, .. } = &self.session.job.config;
        let title = format!("{}, {} x {}, on {}", model.variant.title(), model.layers, model.dim, data.name);
        let Metrics { train, valid, .. } = &self.metrics;
        let curve = Curve { title: &title, train, valid, bigram: self.session.yardstick.bits_per_byte };
        self.session.job.folder.write(CURVE, curve.svg().as_bytes())
    }
}

/// The schedule of a run with this configuration.
fn schedule(config: &RunConfig) -> Schedule {
    Schedule { steps: config.train.steps, measuring: config.measuring, save_every: config.save_every }
}
