//! A run under way on one device, from the step it is at to the results.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::data::{Corpus, Windows};
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::Trainer;

use super::curve::Curve;
use super::interrupt::Interrupted;
use super::job::Job;
use super::metrics::{Metrics, Validation};
use super::progress::{Progress, State, note};
use super::run_config::RunConfig;
use super::run_folder::{CURVE, MODEL, SAMPLE};
use super::schedule::Schedule;
use super::session::{Session, Yardstick};
use super::summary::{Profile, Summary};
use crate::exit::LossNotFinite;

/// Windows evaluated on the way, as a part of those trained on: about a twentieth of the time, as a window costs a third
/// without its gradient.
pub const EVALUATED: f64 = 0.15;

/// Of the sample.
const TEMPERATURE: f32 = 0.7;

/// Time between two looks at the progress.
const GLANCE: f64 = 0.3;

/// What a device has of a session.
pub struct Run<'a> {
    session: &'a mut Session,
    trainer: Trainer,
    metrics: Metrics,
    progress: Progress,
    schedule: Schedule,
    /// Step and time of the checkpoint on disk.
    saved: (u32, Instant),
    /// The step after which an evaluation was finite last.
    finite: Option<u32>,
}

impl<'a> Run<'a> {
    /// A run at the step that `metrics` is at.
    pub fn new(session: &'a mut Session, trainer: Trainer, metrics: Metrics) -> Self {
        let RunConfig { train, save_every, .. } = &session.job.config;
        let schedule = Schedule { steps: train.steps, save_every: *save_every };
        let (progress, saved) = (Progress::new(schedule.steps), (metrics.step, Instant::now()));
        Self { session, trainer, metrics, progress, schedule, saved, finite: None }
    }

    /// Runs all steps, with evaluations and checkpoints on the way; at the end the last step is saved.
    pub async fn train(&mut self) -> anyhow::Result<()> {
        let schedule = self.schedule;
        self.session.interrupt.hold();
        while self.metrics.step < schedule.steps {
            let step = self.metrics.step;
            let end = schedule.interval_end(step);
            self.advance_to(schedule.stop(step)).await?;
            let step = self.metrics.step;
            // The last interval ends with the evaluation of `finish`.
            if step == end && step < schedule.steps {
                let windows = self.some_windows()?;
                let valid = if schedule.evaluates(step) { Some(self.validate(windows).await?) } else { None };
                self.metrics.end_interval(valid)?;
            }
            let asked = self.session.interrupt.asked();
            if asked || step == schedule.steps || self.is_due() {
                self.save().await?;
            }
            if asked {
                break;
            }
        }
        self.progress.end();
        if self.session.interrupt.release() { Ok(()) } else { Err(self.interrupted().into()) }
    }

    fn interrupted(&self) -> Interrupted {
        Interrupted { step: self.metrics.step, run: self.session.job.folder.path().display().to_string() }
    }

    /// Whether it is time to save.
    fn is_due(&self) -> bool {
        self.schedule.save_every.due(self.metrics.step, self.saved.1.elapsed())
    }

    /// Runs the steps up to `stop`, a few at a time, or fewer if the run is to be saved.
    async fn advance_to(&mut self, stop: u32) -> Result<()> {
        while self.metrics.step < stop {
            let few = (GLANCE / self.metrics.step_seconds()) as u32;
            let begun = Instant::now();
            let records = self.trainer.advance(few.clamp(1, stop - self.metrics.step)).await?;
            self.metrics.add(records, begun.elapsed());
            self.session.faults.after_step(&self.session.job.gpu, self.metrics.step);
            let left = f64::from(self.schedule.steps - self.metrics.step) * self.metrics.step_seconds();
            self.progress.show(&State {
                step: self.metrics.step,
                loss: self.metrics.loss(),
                tokens_per_second: self.metrics.tokens_per_second(),
                left: Duration::from_secs_f64(left),
            });
            if self.session.interrupt.asked() || self.is_due() {
                break;
            }
        }
        Ok(())
    }

    /// Saves the run, unless it has diverged: the last good checkpoint stays. A checkpoint tells by itself of weights that are
    /// not finite; those that are can still give a loss that is not, which only an evaluation tells.
    async fn save(&mut self) -> anyhow::Result<()> {
        let step = self.metrics.step;
        if self.saved.0 != step {
            if self.finite != Some(step) {
                self.validate(self.session.job.config.train.batch.into()).await?;
            }
            self.session.job.folder.save(&self.trainer.checkpoint().await?.to_bytes()?)?;
            self.saved = (step, Instant::now());
            self.session.losses = 0;
        }
        Ok(())
    }

    /// Evaluates, samples, draws and saves the model.
    pub async fn finish(mut self, profile: bool) -> anyhow::Result<Summary> {
        note("evaluating, sampling and saving");
        let valid = self.validate(valid_windows(&self.session.job.corpus, &self.session.job.config.model)?).await?;
        self.metrics.end_interval(Some(valid))?;
        let Job { gpu, config, folder, .. } = &self.session.job;
        let sample = sample(gpu, &self.trainer, config.sample_bytes as usize, config.train.seed).await?;
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
        Ok(Summary {
            valid_bits_per_byte: valid.bits_per_byte,
            bigram_bits_per_byte: *bigram_bits_per_byte,
            word_share,
            bigram_word_share,
            tokens_per_second: self.metrics.tokens_per_second(),
            seconds: self.session.start.elapsed().as_secs_f64(),
            steps: self.metrics.step,
            skipped_steps: self.metrics.skipped,
            parameters: config.model.parameters()?,
            adapter: gpu.caps().adapter.to_string(),
            run: folder.path().display().to_string(),
            profile,
            sample,
        })
    }

    /// An evaluation over the first `windows` of the validation text; a result that is no number ends the run.
    async fn validate(&mut self, windows: u64) -> anyhow::Result<Validation> {
        let bits_per_byte = self.trainer.evaluate(&self.session.job.corpus.valid, Some(windows)).await?;
        if !bits_per_byte.is_finite() {
            return Err(LossNotFinite::InTraining { step: self.metrics.step }.into());
        }
        self.finite = Some(self.metrics.step);
        Ok(Validation { bits_per_byte, windows })
    }

    /// How many windows an evaluation on the way reads.
    fn some_windows(&self) -> Result<u64> {
        let Job { corpus, config, .. } = &self.session.job;
        let trained = config.step_windows() * f64::from(self.schedule.evaluated_every());
        Ok(((trained * EVALUATED).ceil() as u64).clamp(1, valid_windows(corpus, &config.model)?))
    }

    fn draw(&self) -> Result<()> {
        let RunConfig { data, model, .. } = &self.session.job.config;
        let title = format!("{}, {} x {}, on {}", model.variant.title(), model.layers, model.dim, data.name);
        let Metrics { train, valid, .. } = &self.metrics;
        let curve = Curve { title: &title, train, valid, bigram: self.session.yardstick.bits_per_byte };
        self.session.job.folder.write(CURVE, curve.svg().as_bytes())
    }
}

/// `count` bytes after a line end.
pub async fn sample(gpu: &Gpu, trainer: &Trainer, count: usize, seed: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    if count > 0 {
        let mut generator = Generator::new(gpu, &trainer.model, 1).await?;
        let take = |tokens: &[u8]| {
            bytes.extend_from_slice(tokens);
            ControlFlow::Continue(())
        };
        let sampling = Sampling { temperature: TEMPERATURE, seed, ..Default::default() };
        generator.generate(count, &sampling, take).await?;
    }
    Ok(bytes)
}

/// How many windows the validation text holds.
pub fn valid_windows(corpus: &Corpus, model: &LanguageConfig) -> Result<u64> {
    let length = model.length as usize;
    Ok(Windows::new(Arc::clone(&corpus.valid), length, "the validation text").map(|w| w.count())?)
}
