//! A training run from the first step to the results.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aft_wgpu::data::{Bigram, Corpus, Windows, Words};
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::Trainer;
use aft_wgpu::{Error, Result};
use indicatif::HumanCount;

use super::curve::Curve;
use super::inject;
use super::interrupt::{Interrupt, Interrupted};
use super::job::Job;
use super::metrics::{Metrics, Validation};
use super::pace::calibrate;
use super::progress::{Progress, State, note};
use super::run_config::RunConfig;
use super::run_folder::{CURVE, MODEL, SAMPLE};
use super::summary::{Profile, Summary};
use crate::exit::Diverged;

/// Lines of metrics in a run of many steps.
const INTERVALS: u32 = 100;

/// Evaluations of a run, the last one over the whole validation text.
const EVALUATIONS: u32 = 8;

/// Windows evaluated on the way, as a part of those trained on: about a twentieth of the time, as a window costs a third
/// without its gradient.
pub const EVALUATED: f64 = 0.15;

/// Of the sample.
const TEMPERATURE: f32 = 0.7;

/// Devices that may be lost in a row before the run gives up.
const MOST_LOSSES: u32 = 3;

/// Time between two looks at the progress.
const GLANCE: f64 = 0.3;

/// What a run is held against, from the training text alone.
struct Yardstick {
    bigram: Bigram,
    words: Words,
    bits_per_byte: f64,
}

/// A run under way.
pub struct Session {
    job: Job,
    trainer: Trainer,
    yardstick: Yardstick,
    metrics: Metrics,
    progress: Progress,
    interrupt: Interrupt,
    start: Instant,
    /// Step and time of the checkpoint on disk.
    saved: (u32, Instant),
    losses: Losses,
}

impl Session {
    /// Builds the model, as the checkpoint in the folder has it if there is one, and fixes the number of steps.
    pub async fn new(mut job: Job, interrupt: Interrupt, start: Instant) -> anyhow::Result<Self> {
        let Corpus { train, valid, .. } = &job.corpus;
        let bigram = Bigram::fit(train.as_ref())?;
        let bits_per_byte = bigram.bits_per_byte(valid.as_ref())?;
        let yardstick = Yardstick { bigram, words: Words::of(train.as_ref())?, bits_per_byte };
        if let (true, Some(time)) = (job.config.measuring, job.config.time_seconds) {
            note("measuring how long a step takes");
            let steps = calibrate(&job, time, start).await?;
            job.config.train.steps = job.config.train.steps.min(steps);
            job.config.measuring = false;
            job.config.write(&job.folder)?;
        }
        let (trainer, metrics) = job.open().await?;
        job.folder.keep();
        let progress = Progress::new(job.config.train.steps);
        let saved = (metrics.step, Instant::now());
        Ok(Self { job, trainer, yardstick, metrics, progress, interrupt, start, saved, losses: Losses::default() })
    }

    /// Runs to the results. Where a device is lost on the way, a new one goes on from the last checkpoint.
    pub async fn complete(&mut self, profile: bool) -> anyhow::Result<Summary> {
        self.announce()?;
        loop {
            let result = async {
                self.train().await?;
                self.finish(profile).await
            };
            match result.await {
                Err(error) if is_lost(&error) && self.losses.bearable(self.saved.0) => self.recover(&error).await?,
                result => return result,
            }
        }
    }

    async fn recover(&mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        self.progress.end();
        note(error);
        self.job.gpu = Gpu::request(&self.job.options).await?;
        (self.trainer, self.metrics) = self.job.open().await?;
        self.progress = Progress::new(self.job.config.train.steps);
        self.saved = (self.metrics.step, Instant::now());
        note(format_args!("a new device goes on from step {}", self.metrics.step));
        Ok(())
    }

    /// Runs all steps, with evaluations and checkpoints on the way; at the end the last step is saved.
    async fn train(&mut self) -> anyhow::Result<()> {
        let (steps, every) = (self.job.config.train.steps, self.job.config.save_every);
        self.interrupt.hold();
        while self.metrics.step < steps {
            let step = self.metrics.step;
            let end = (step + 1).next_multiple_of(interval(steps)).min(steps);
            self.advance_to(end.min(every.next(step))).await?;
            let step = self.metrics.step;
            // The last interval ends with the evaluation of `finish`.
            if step == end && step < steps {
                let evaluated = step.is_multiple_of(evaluated_every(steps));
                let valid = if evaluated { Some(self.validate(self.some_windows()?).await?) } else { None };
                self.metrics.end_interval(valid, self.seconds())?;
            }
            if self.interrupt.asked() || step == steps || every.due(step, self.saved.1.elapsed()) {
                self.save().await?;
            }
            if self.interrupt.asked() {
                self.progress.end();
                let run = self.job.folder.path().display().to_string();
                return Err(Interrupted { step, run }.into());
            }
        }
        self.interrupt.release();
        self.progress.end();
        Ok(())
    }

    /// Runs the steps up to `stop`, a few at a time, or fewer if the run is to be saved.
    async fn advance_to(&mut self, stop: u32) -> Result<()> {
        let every = self.job.config.save_every;
        while self.metrics.step < stop {
            let few = (GLANCE / self.metrics.step_seconds()) as u32;
            let begun = Instant::now();
            let records = self.trainer.advance(few.clamp(1, stop - self.metrics.step)).await?;
            self.metrics.add(records, begun.elapsed());
            inject::after_step(&self.job.gpu, self.metrics.step);
            let left = f64::from(self.job.config.train.steps - self.metrics.step) * self.metrics.step_seconds();
            self.progress.show(&State {
                step: self.metrics.step,
                loss: self.metrics.loss(),
                tokens_per_second: self.metrics.tokens_per_second(),
                left: Duration::from_secs_f64(left),
            });
            if self.interrupt.asked() || every.due(self.metrics.step, self.saved.1.elapsed()) {
                break;
            }
        }
        Ok(())
    }

    /// Saves the run, unless a glance at the validation text says that it has diverged: the last good checkpoint stays.
    async fn save(&mut self) -> anyhow::Result<()> {
        if self.saved.0 != self.metrics.step {
            self.validate(self.job.config.train.batch.into()).await?;
            self.job.folder.save(&self.trainer.checkpoint().await?.to_bytes()?)?;
            self.saved = (self.metrics.step, Instant::now());
        }
        Ok(())
    }

    /// Evaluates, samples, draws and saves the model.
    async fn finish(&mut self, profile: bool) -> anyhow::Result<Summary> {
        note("evaluating, sampling and saving");
        let valid = self.validate(self.valid_windows()?).await?;
        self.metrics.end_interval(Some(valid), self.seconds())?;
        let Job { gpu, config, folder, .. } = &self.job;
        let sample = sample(gpu, &self.trainer, config.sample_bytes as usize, config.train.seed).await?;
        self.draw()?;
        let Yardstick { bigram, words, bits_per_byte: bigram_bits_per_byte } = &self.yardstick;
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
            seconds: self.seconds(),
            steps: self.metrics.step,
            skipped_steps: self.metrics.skipped,
            parameters: config.model.parameters()?,
            adapter: gpu.caps().adapter.to_string(),
            run: folder.path().display().to_string(),
            profile,
            sample,
        })
    }

    /// Says what is being trained, on what, where to.
    fn announce(&self) -> Result<()> {
        let Job { gpu, corpus, config, folder, .. } = &self.job;
        let RunConfig { data, model, train, .. } = config;
        let parameters = HumanCount(model.parameters()?);
        note(format_args!("adapter  {}", gpu.caps().adapter));
        note(format_args!("text     {}: {} bytes to train on", data.name, HumanCount(corpus.train.len())));
        note(format_args!(
            "model    AFT-{}, {} layers of {} channels, {} positions: {parameters} parameters",
            model.variant, model.layers, model.dim, model.length
        ));
        let fitted = config.time_seconds.map_or_else(String::new, |s| format!(", to end after about {s} s at most"));
        let tokens = HumanCount((config.step_windows() * f64::from(model.length)) as u64);
        note(format_args!("steps    {} of {tokens} tokens each{fitted}", HumanCount(train.steps.into())));
        let from = match self.metrics.step {
            0 => String::new(),
            step => format!(", from step {} on", HumanCount(step.into())),
        };
        note(format_args!("run      {}{from}", folder.path().display()));
        Ok(())
    }

    /// An evaluation over the first `windows` of the validation text; a result that is no number ends the run.
    async fn validate(&mut self, windows: u64) -> anyhow::Result<Validation> {
        let bits_per_byte = self.trainer.evaluate(&self.job.corpus.valid, Some(windows)).await?;
        if !bits_per_byte.is_finite() {
            return Err(Diverged::InTraining { step: self.metrics.step }.into());
        }
        Ok(Validation { bits_per_byte, windows })
    }

    /// How many windows an evaluation on the way reads.
    fn some_windows(&self) -> Result<u64> {
        let config = &self.job.config;
        let trained = config.step_windows() * f64::from(evaluated_every(config.train.steps));
        Ok(((trained * EVALUATED).ceil() as u64).clamp(1, self.valid_windows()?))
    }

    fn valid_windows(&self) -> Result<u64> {
        valid_windows(&self.job.corpus, &self.job.config.model)
    }

    fn draw(&self) -> Result<()> {
        let RunConfig { data, model, .. } = &self.job.config;
        let title = format!("AFT-{}, {} x {}, on {}", model.variant, model.layers, model.dim, data.name);
        let Metrics { train, valid, .. } = &self.metrics;
        let curve = Curve { title: &title, train, valid, bigram: self.yardstick.bits_per_byte };
        self.job.folder.write(CURVE, curve.svg().as_bytes())
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// Devices lost so far.
#[derive(Default)]
struct Losses {
    /// Without a new checkpoint between them.
    in_a_row: u32,
    saved: u32,
}

impl Losses {
    /// Counts one, for a run whose last checkpoint is of step `saved`; whether it is worth while to go on.
    fn bearable(&mut self, saved: u32) -> bool {
        self.in_a_row = if self.saved == saved { self.in_a_row + 1 } else { 1 };
        self.saved = saved;
        self.in_a_row <= MOST_LOSSES
    }
}

fn is_lost(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::DeviceLost { .. }))
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

/// Steps of a logging interval.
fn interval(steps: u32) -> u32 {
    (steps / INTERVALS).max(1)
}

/// Steps from one evaluation to the next: whole intervals.
fn evaluated_every(steps: u32) -> u32 {
    steps.div_ceil(EVALUATIONS).next_multiple_of(interval(steps))
}
