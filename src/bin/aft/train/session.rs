//! A training run from the first step to the results.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::data::{Bigram, Corpus, Windows, Words};
use aft_wgpu::generate::Generator;
use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::{TrainConfig, Trainer};
use indicatif::HumanCount;

use super::curve::Curve;
use super::metrics::{Metrics, Validation};
use super::pace::calibrate;
use super::progress::{Progress, State, note};
use super::run_config::{DataConfig, RunConfig};
use super::run_folder::{CONFIG, CURVE, MODEL, RunFolder, SAMPLE};
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

/// Time between two looks at the progress.
const GLANCE: f64 = 0.3;

/// What is to be done.
pub struct Plan {
    pub model: LanguageConfig,
    pub train: TrainConfig,
    /// Lower the number of steps so that the whole command takes at most about so many seconds.
    pub time: Option<f64>,
    pub data: DataConfig,
    /// Bytes of the sample.
    pub sample_bytes: usize,
}

/// What a run is held against, from the training text alone.
struct Yardstick {
    bigram: Bigram,
    words: Words,
    bits_per_byte: f64,
}

/// A run under way.
pub struct Session {
    gpu: Gpu,
    trainer: Trainer,
    corpus: Corpus,
    yardstick: Yardstick,
    folder: RunFolder,
    config: RunConfig,
    sample_bytes: usize,
    metrics: Metrics,
    progress: Progress,
    start: Instant,
}

impl Session {
    /// Builds the model, fixes the number of steps and claims the folder.
    pub async fn new(
        gpu: Gpu,
        mut plan: Plan,
        corpus: Corpus,
        folder: impl Fn() -> Result<RunFolder>,
        start: Instant,
    ) -> anyhow::Result<Self> {
        let bigram = Bigram::fit(corpus.train.as_ref())?;
        let bits_per_byte = bigram.bits_per_byte(corpus.valid.as_ref())?;
        let yardstick = Yardstick { bigram, words: Words::of(corpus.train.as_ref())?, bits_per_byte };
        let mut trainer = Trainer::new(&gpu, &plan.model, &plan.train, Arc::clone(&corpus.train)).await?;
        if let Some(time) = plan.time {
            // A folder that cannot be had is refused at once; it is claimed when it can be filled at once, too.
            folder()?.probe()?;
            note("measuring how long a step takes");
            let steps = calibrate(&gpu, &mut trainer, &plan, &corpus, time, start).await?;
            plan.train.steps = plan.train.steps.min(steps);
            // From the start, so that the run is the one that --steps with this number gives.
            drop(trainer);
            trainer = Trainer::new(&gpu, &plan.model, &plan.train, Arc::clone(&corpus.train)).await?;
        }
        let config = RunConfig {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: gpu.caps().adapter.to_string(),
            time_seconds: plan.time,
            data: plan.data,
            model: plan.model,
            train: plan.train,
        };
        let mut folder = folder()?;
        folder.write(CONFIG, config.to_toml()?.as_bytes())?;
        let metrics = Metrics::create(&folder, step_windows(&config.train) * f64::from(config.model.length))?;
        folder.keep();
        let progress = Progress::new(config.train.steps);
        let sample_bytes = plan.sample_bytes;
        Ok(Self { gpu, trainer, corpus, yardstick, folder, config, sample_bytes, metrics, progress, start })
    }

    /// Runs all steps, with evaluations on the way.
    pub async fn train(&mut self) -> anyhow::Result<()> {
        self.announce()?;
        let steps = self.config.train.steps;
        while self.metrics.step < steps {
            let stop = self.metrics.step.saturating_add(interval(steps)).min(steps);
            self.advance_to(stop).await?;
            // The last interval ends with the evaluation of `finish`.
            if stop < steps {
                let evaluated = stop.is_multiple_of(evaluated_every(steps));
                let valid = if evaluated { Some(self.validate(self.some_windows()?).await?) } else { None };
                self.metrics.end_interval(valid, self.seconds())?;
            }
        }
        self.progress.end();
        Ok(())
    }

    /// Runs the steps up to `stop`, a few at a time.
    async fn advance_to(&mut self, stop: u32) -> Result<()> {
        while self.metrics.step < stop {
            let few = (GLANCE / self.metrics.step_seconds()) as u32;
            let begun = Instant::now();
            let records = self.trainer.advance(few.clamp(1, stop - self.metrics.step)).await?;
            self.metrics.add(records, begun.elapsed());
            let left = f64::from(self.config.train.steps - self.metrics.step) * self.metrics.step_seconds();
            self.progress.show(&State {
                step: self.metrics.step,
                loss: self.metrics.loss(),
                tokens_per_second: self.metrics.tokens_per_second(),
                left: Duration::from_secs_f64(left),
            });
        }
        Ok(())
    }

    /// Evaluates, saves, samples and draws.
    pub async fn finish(mut self, profile: bool) -> anyhow::Result<Summary> {
        note("evaluating, saving and sampling");
        let valid = self.validate(self.valid_windows()?).await?;
        self.metrics.end_interval(Some(valid), self.seconds())?;
        self.folder.write(MODEL, &self.trainer.save().await?)?;
        let sample = sample(&self.gpu, &self.trainer, self.sample_bytes, self.config.train.seed).await?;
        self.draw()?;
        let Yardstick { bigram, words, bits_per_byte: bigram_bits_per_byte } = &self.yardstick;
        let (mut word_share, mut bigram_word_share) = (None, None);
        if !sample.is_empty() {
            self.folder.write(SAMPLE, &sample)?;
            let other = bigram.generate(self.config.train.seed, f64::from(TEMPERATURE), sample.len());
            (word_share, bigram_word_share) = (Some(words.share(&sample)), Some(words.share(&other)));
        }
        let profile = match profile {
            true => Some(self.trainer.profile().await.map(|(clock, times)| Profile::new(clock, &times))?),
            false => None,
        };
        Ok(Summary {
            valid_bits_per_byte: valid.bits_per_byte,
            bigram_bits_per_byte: *bigram_bits_per_byte,
            word_share,
            bigram_word_share,
            tokens_per_second: self.metrics.tokens_per_second(),
            seconds: self.seconds(),
            steps: self.metrics.step,
            skipped_steps: self.metrics.skipped,
            parameters: self.config.model.parameters()?,
            adapter: self.config.adapter,
            run: self.folder.path().display().to_string(),
            profile,
            sample,
        })
    }

    /// Says what is being trained, on what, where to.
    fn announce(&self) -> Result<()> {
        let RunConfig { adapter, data, model, train, .. } = &self.config;
        let parameters = HumanCount(model.parameters()?);
        note(format_args!("adapter  {adapter}"));
        note(format_args!("text     {}: {} bytes to train on", data.name, HumanCount(self.corpus.train.len())));
        note(format_args!(
            "model    AFT-{}, {} layers of {} channels, {} positions: {parameters} parameters",
            model.variant, model.layers, model.dim, model.length
        ));
        let fitted =
            self.config.time_seconds.map_or_else(String::new, |s| format!(", to end after about {s} s at most"));
        let tokens = HumanCount((step_windows(train) * f64::from(model.length)) as u64);
        note(format_args!("steps    {} of {tokens} tokens each{fitted}", HumanCount(train.steps.into())));
        note(format_args!("run      {}", self.folder.path().display()));
        Ok(())
    }

    /// An evaluation over the first `windows` of the validation text; a result that is no number ends the run.
    async fn validate(&mut self, windows: u64) -> anyhow::Result<Validation> {
        let bits_per_byte = self.trainer.evaluate(&self.corpus.valid, Some(windows)).await?;
        if !bits_per_byte.is_finite() {
            return Err(Diverged::InTraining { step: self.metrics.step }.into());
        }
        Ok(Validation { bits_per_byte, windows })
    }

    /// How many windows an evaluation on the way reads.
    fn some_windows(&self) -> Result<u64> {
        let RunConfig { train, .. } = &self.config;
        let trained = step_windows(train) * f64::from(evaluated_every(train.steps));
        Ok(((trained * EVALUATED).ceil() as u64).clamp(1, self.valid_windows()?))
    }

    fn valid_windows(&self) -> Result<u64> {
        valid_windows(&self.corpus, &self.config.model)
    }

    fn draw(&self) -> Result<()> {
        let RunConfig { data, model, .. } = &self.config;
        let title = format!("AFT-{}, {} x {}, on {}", model.variant, model.layers, model.dim, data.name);
        let Metrics { train, valid, .. } = &self.metrics;
        let curve = Curve { title: &title, train, valid, bigram: self.yardstick.bits_per_byte };
        self.folder.write(CURVE, curve.svg().as_bytes())
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// `count` bytes after a line end.
pub async fn sample(gpu: &Gpu, trainer: &Trainer, count: usize, seed: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    if count > 0 {
        let mut generator = Generator::new(gpu, &trainer.model).await?;
        let take = |byte| {
            bytes.push(byte);
            ControlFlow::Continue(())
        };
        generator.generate(b"\n", count, TEMPERATURE, seed, take).await?;
    }
    Ok(bytes)
}

/// How many windows the validation text holds.
pub fn valid_windows(corpus: &Corpus, model: &LanguageConfig) -> Result<u64> {
    let length = model.length as usize;
    Ok(Windows::new(Arc::clone(&corpus.valid), length, "the validation text").map(|w| w.count())?)
}

/// Windows of a step.
pub fn step_windows(train: &TrainConfig) -> f64 {
    f64::from(train.batch) * f64::from(train.accumulate)
}

/// Steps of a logging interval.
fn interval(steps: u32) -> u32 {
    (steps / INTERVALS).max(1)
}

/// Steps from one evaluation to the next: whole intervals.
fn evaluated_every(steps: u32) -> u32 {
    steps.div_ceil(EVALUATIONS).next_multiple_of(interval(steps))
}
