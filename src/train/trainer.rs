//! The training loop: a step is a program made once; the host fills batches ahead and reads metrics behind.

use std::sync::Arc;

use crate::data::{Text, Windows};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Clock, Gpu, KernelTime, Program, Recorder, profile};
use crate::models::feed::{Feed, rows};
use crate::models::language::{Language, LanguageConfig, Losses, VOCABULARY};
use crate::nn::{Dropout, Pass};
use crate::ops::Builder;
use crate::ops::nn::adamw::{self, Hyper, Update};
use crate::ops::nn::gradient_norm::{self, MAX_PARTIALS, SumSquares};
use crate::ops::nn::train_state::{CloseStep, Record, TrainState, close_step, metrics_bytes};
use crate::train::{Evaluator, TrainConfig};

/// Steps whose batches and metrics fit on the device at once.
const AHEAD: u32 = 8;
const RING: u32 = 64;

/// Skipped steps in a row that end a run.
const PATIENCE: u32 = 3;

/// A model in training.
pub struct Trainer {
    gpu: Gpu,
    /// The model.
    pub model: Language,
    config: TrainConfig,
    feed: Feed,
    windows: Windows,
    losses: Buffer,
    metrics: Buffer,
    partials: Buffer,
    gradients: Program,
    update: Program,
    recorder: Recorder,
    evaluator: Evaluator,
    step: u32,
}

impl Trainer {
    /// Makes a model and all that training it needs; after this a step allocates nothing.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::LimitExceeded`] before anything is allocated; [`Error::Data`] if the text is shorter than a
    /// window; [`Error::OutOfMemory`].
    pub async fn new(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, text: Arc<dyn Text>) -> Result<Self> {
        config.validate()?;
        model.validate()?;
        let rows = rows(config.batch, model.length)?;
        model.check_limits(gpu, rows)?;
        Feed::check(gpu, rows, VOCABULARY, AHEAD * config.accumulate)?;
        let windows = Windows::new(text, model.length as usize, "the training text")?;
        gpu.checked("building the model", || Self::build(gpu, model, config, windows, rows)).await
    }

    fn build(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, windows: Windows, rows: u32) -> Result<Self> {
        let model = Language::new(gpu, model, rows, true, Some(config.seed))?;
        let mut builder = Builder::new(gpu, model.placement);
        let state = TrainState::new(config.device_seed());
        let feed = Feed::new(gpu, rows, VOCABULARY, AHEAD * config.accumulate, state)?;
        let losses = gpu.storage("losses", 4 * u64::from(rows))?;
        let metrics = gpu.storage("metrics", metrics_bytes(RING))?;
        let pages = model.parameters.pages().len() as u64;
        let partials = gpu.storage("partial sums", 4 * u64::from(MAX_PARTIALS) * pages)?;
        for micro in 0..config.accumulate {
            let accumulate = micro > 0;
            let sites = 2 * model.config.layers + 1;
            let rate = model.config.dropout;
            let dropout = Dropout { rate, state: feed.state(), first_site: micro * sites };
            let mut pass = Pass {
                b: &mut builder,
                parameters: &model.parameters,
                batch: config.batch,
                length: model.config.length,
                keep: true,
                accumulate,
                dropout: (rate > 0.0).then_some(dropout),
            };
            let scale = loss_scale(rows, config);
            model.losses(&mut pass, feed.batch(micro), &Losses { rows: &losses, accumulate }, scale)?;
        }
        let gradients = builder.take_program();
        let evaluator = Evaluator::new(&mut builder, &model, config.batch)?;
        let mut trainer = Self {
            gpu: gpu.clone(),
            model,
            config: config.clone(),
            feed,
            windows,
            losses,
            metrics,
            partials,
            gradients,
            update: Program::default(),
            recorder: Recorder::new(gpu),
            evaluator,
            step: 0,
        };
        trainer.update = trainer.build_update(&mut builder)?;
        Ok(trainer)
    }

    /// The second half of a step: norm, clipping, schedule and AdamW.
    fn build_update(&self, b: &mut Builder) -> Result<Program> {
        let Self { model, config, .. } = self;
        let no_gradients = || Error::Config("a model without gradients cannot be trained".into());
        let mut offset = 0;
        for page in model.parameters.pages() {
            let [grad, ..] = page.training.as_ref().ok_or_else(no_gradients)?;
            let args = SumSquares { grad, vec4s: page.vec4s, partials: &self.partials, offset };
            offset = gradient_norm::forward(b, &args)?;
        }
        let rows = config.batch * model.config.length;
        let close = CloseStep {
            partials: (&self.partials, offset),
            losses: (&self.losses, rows),
            loss_scale: loss_scale(rows, config),
            micro_batches: config.accumulate,
            max_norm: config.clip,
            schedule: config.schedule(),
            betas: (config.beta1, config.beta2),
            state: self.feed.state(),
            metrics: &self.metrics,
        };
        close_step(b, &close)?;
        let TrainConfig { beta1, beta2, eps, weight_decay, .. } = *config;
        for page in model.parameters.pages() {
            let [grad, m, v] = page.training.as_ref().ok_or_else(no_gradients)?;
            let args = Update {
                param: &page.param,
                grad,
                m,
                v,
                vec4s: page.vec4s,
                decayed: page.decayed,
                state: self.feed.state(),
                hyper: Hyper { beta1, beta2, eps, weight_decay },
            };
            adamw::update(b, &args)?;
        }
        Ok(b.take_program())
    }

    /// Steps done.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// What the run is configured by.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Runs `steps` steps and returns what they recorded.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the gradient was not finite three steps in a row; [`Error::Data`], [`Error::DeviceLost`].
    pub async fn advance(&mut self, steps: u32) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut left = steps;
        while left > 0 {
            let some = left.min(RING);
            for _ in 0..some {
                self.enqueue().await?;
            }
            self.recorder.submit().await?;
            let new = self.records(some).await?;
            if let Some(record) = new.iter().find(|r| r.skipped_in_a_row >= PATIENCE) {
                let step = u64::from(record.step) + 1 - u64::from(PATIENCE);
                let tensor = self.model.parameters.first_not_finite(&self.gpu).await?;
                let tensor = tensor.unwrap_or_else(|| "none by itself".into());
                return Err(Error::NonFinite { step, tensor });
            }
            records.extend(new);
            left -= some;
        }
        Ok(records)
    }

    /// Fills a step's batches and records it.
    async fn enqueue(&mut self) -> Result<()> {
        self.fill()?;
        self.recorder.run(&self.gradients).await?;
        self.recorder.run(&self.update).await?;
        // A slot is filled again only after the step that reads it was submitted.
        if self.step.is_multiple_of(AHEAD) {
            self.recorder.submit().await?;
        }
        Ok(())
    }

    /// Writes the batches of the next step into their slots and counts the step.
    fn fill(&mut self) -> Result<()> {
        let TrainConfig { accumulate, seed, batch, .. } = self.config;
        for micro in 0..accumulate {
            let number = u64::from(self.step) * u64::from(accumulate) + u64::from(micro);
            let batch = self.windows.random(seed, number as u32, batch as usize)?;
            self.feed.fill(&self.gpu, number, &batch.tokens, &batch.targets)?;
        }
        self.step += 1;
        Ok(())
    }

    /// Records the next `steps` steps, at most 8, into a caller's encoder, which the caller submits before it asks for more.
    ///
    /// # Errors
    /// [`Error::Config`] for more than 8 steps; [`Error::Data`].
    pub fn record(&mut self, steps: u32, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        if steps > AHEAD {
            return Err(Error::Config(format!("at most {AHEAD} steps fit one encoder, not {steps}")));
        }
        for _ in 0..steps {
            self.fill()?;
            self.gradients.record(encoder);
            self.update.record(encoder);
        }
        Ok(())
    }

    /// The records of the last `count` steps.
    async fn records(&self, count: u32) -> Result<Vec<Record>> {
        let ring: Vec<Record> = self.gpu.read(&self.metrics, 0, metrics_bytes(RING)).await?;
        let at = |step: u32| ring[(step % RING) as usize];
        Ok((self.step - count..self.step).map(at).collect())
    }

    /// Bits per byte of a text, over all of its windows or the first `most`.
    ///
    /// # Errors
    /// As [`Evaluator::bits_per_byte`].
    pub async fn evaluate(&mut self, text: &Arc<dyn Text>, most: Option<u64>) -> Result<f64> {
        let windows = Windows::new(Arc::clone(text), self.model.config.length as usize, "the text")?;
        self.evaluator.bits_per_byte(&windows, most).await
    }

    /// The model as a safetensors file ([`Language::save`]).
    ///
    /// # Errors
    /// As [`Language::save`].
    pub async fn save(&self) -> Result<Vec<u8>> {
        self.model.save(&self.gpu).await
    }

    /// Runs one more step, each dispatch alone, and returns its time by kernel.
    ///
    /// # Errors
    /// As [`profile`].
    pub async fn profile(&mut self) -> Result<(Clock, Vec<KernelTime>)> {
        self.recorder.finish().await?;
        self.fill()?;
        let mut program = self.gradients.clone();
        program.append(&self.update);
        profile(&self.gpu, &program).await
    }

    /// Commands of a step: first those that make the gradients, then those of the update.
    pub fn programs(&self) -> [&Program; 2] {
        [&self.gradients, &self.update]
    }
}

/// What the loss of a row counts in the mean over a step.
fn loss_scale(rows: u32, config: &TrainConfig) -> f32 {
    1.0 / (rows as f32 * config.accumulate as f32)
}
