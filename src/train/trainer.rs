//! The training loop. A step is a program that is recorded once; the host writes batches ahead of it and reads metrics after it.

use std::sync::Arc;

use crate::data::{Text, TextMark, Windows};
use crate::error::{Error, Result};
use crate::gpu::{Clock, Gpu, KernelTime, Program, Recorder, profile};
use crate::models::container::broken;
use crate::models::feed::{Feed, rows};
use crate::models::file::weights;
use crate::models::language::{Language, LanguageConfig, VOCABULARY};
use crate::ops::Builder;
use crate::ops::nn::train_state::{Record, TrainState, metrics_bytes};
use crate::train::step::{AHEAD, RING, StepCommands};
use crate::train::{Checkpoint, Evaluator, Plan, TrainConfig};

/// Consecutive skipped steps that end a run.
const PATIENCE: u32 = 3;

/// A model in training.
pub struct Trainer {
    gpu: Gpu,
    /// The model.
    pub model: Language,
    config: TrainConfig,
    windows: Windows,
    mark: TextMark,
    commands: StepCommands,
    recorder: Recorder,
    evaluator: Evaluator,
    step: u32,
    /// A step failed or was dropped after its batches were written and before it was submitted.
    torn: bool,
}

/// Initial state of a trainer.
struct Start {
    /// Seed of the parameters; none if they are loaded.
    seed: Option<u64>,
    /// State before the first step.
    state: TrainState,
    /// Length and checksum of the text.
    mark: TextMark,
}

impl Trainer {
    /// Creates a model and everything that training needs; later steps allocate nothing. Reads the whole text once for its
    /// checksum.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::LimitExceeded`] before anything is allocated; [`Error::Data`] if the text is shorter than a
    /// window; [`Error::OutOfMemory`].
    pub async fn new(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, text: Arc<dyn Text>) -> Result<Self> {
        Self::check(gpu, model, config, &text)?;
        let mark = TextMark::of(text.as_ref())?;
        let start = Start { seed: Some(config.seed), state: TrainState::new(config.device_seed()), mark };
        gpu.checked("building the model", || Self::build(gpu, model, config, text, start)).await
    }

    /// Resumes a run from a checkpoint, with the same kernel plan. On the same adapter, it gives the same bits as an
    /// uninterrupted run.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`Error::Config`] if `text` is not the checkpoint's training text, or if this version or device does
    /// not support the checkpoint's plan.
    pub async fn resume(gpu: &Gpu, checkpoint: &Checkpoint, text: Arc<dyn Text>) -> Result<Self> {
        let Checkpoint { model, train, plan, state, tensors: [weights, first, second], .. } = checkpoint;
        let gpu = &plan.device(gpu)?;
        Self::check(gpu, model, train, &text)?;
        checkpoint.expect_text(text.as_ref())?;
        gpu.checked("building the model", || {
            let start = Start { seed: None, state: *state, mark: checkpoint.text };
            let trainer = Self::build(gpu, model, train, text, start)?;
            plan.expect_planes(trainer.model.placement)?;
            let parameters = &trainer.model.parameters;
            parameters.write_all(gpu, weights)?;
            parameters.write_moments(gpu, [first, second])?;
            Ok(trainer)
        })
        .await
    }

    /// Begins a new run with the weights of a model file or checkpoint. The model's configuration may differ only in dropout.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`Error::Format`] if the file is not of this model.
    pub async fn from_weights(
        gpu: &Gpu,
        bytes: &[u8],
        model: &LanguageConfig,
        config: &TrainConfig,
        text: Arc<dyn Text>,
    ) -> Result<Self> {
        let (of_file, weights) = weights(bytes)?;
        if (LanguageConfig { dropout: model.dropout, ..of_file }) != *model {
            return Err(broken("of another model than the one to train".into()));
        }
        Self::check(gpu, model, config, &text)?;
        let mark = TextMark::of(text.as_ref())?;
        gpu.checked("building the model", || {
            let start = Start { seed: None, state: TrainState::new(config.device_seed()), mark };
            let trainer = Self::build(gpu, model, config, text, start)?;
            trainer.model.parameters.write_all(gpu, &weights)?;
            Ok(trainer)
        })
        .await
    }

    /// Makes the checks of [`Trainer::new`] that need no allocation on the device.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::LimitExceeded`], [`Error::Data`].
    pub fn check(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, text: &Arc<dyn Text>) -> Result<()> {
        config.validate()?;
        model.validate()?;
        let rows = rows(config.batch, model.length)?;
        model.check_limits(gpu, rows)?;
        Feed::check(gpu, rows, VOCABULARY, AHEAD * config.accumulate)?;
        windows(text, model).map(|_| ())
    }

    fn build(
        gpu: &Gpu,
        model: &LanguageConfig,
        config: &TrainConfig,
        text: Arc<dyn Text>,
        Start { seed, state, mark }: Start,
    ) -> Result<Self> {
        let windows = windows(&text, model)?;
        let model = Language::new(gpu, model, rows(config.batch, model.length)?, true, seed)?;
        let mut builder = Builder::new(gpu, model.placement);
        let commands = StepCommands::new(&mut builder, &model, config, state)?;
        let evaluator = Evaluator::new(&mut builder, &model, config.batch)?;
        Ok(Self {
            gpu: gpu.clone(),
            model,
            config: config.clone(),
            windows,
            mark,
            commands,
            recorder: Recorder::new(gpu),
            evaluator,
            step: state.step,
            torn: false,
        })
    }

    /// Changes the settings of later steps: their number and their learning rate.
    ///
    /// # Errors
    /// [`Error::Config`] if any other setting differs from the run's; [`Error::OutOfMemory`].
    pub async fn reschedule(&mut self, config: TrainConfig) -> Result<()> {
        config.validate()?;
        if !self.config.agrees_until(self.step, &config) {
            let message =
                format!("after {} steps only the number of steps and later learning rates may change", self.step);
            return Err(Error::Config(message));
        }
        let Self { gpu, model, commands, step, .. } = self;
        let builder = &mut Builder::new(gpu, model.placement);
        commands.updates =
            gpu.checked("changing the schedule", || commands.updates(builder, model, &config, *step)).await?;
        self.config = config;
        Ok(())
    }

    /// Steps completed.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// The run's settings.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// Runs `steps` steps and returns their records.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if the gradient was not finite in three consecutive steps; [`Error::Data`], [`Error::DeviceLost`];
    /// [`Error::Unfinished`] after a step that failed midway.
    pub async fn advance(&mut self, steps: u32) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let mut left = steps;
        if self.torn {
            self.whole_state().await?;
        }
        while left > 0 {
            let some = left.min(RING);
            self.torn = true;
            for _ in 0..some {
                self.enqueue().await?;
            }
            self.recorder.submit().await?;
            self.torn = false;
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

    /// Writes a step's batches and records the step.
    async fn enqueue(&mut self) -> Result<()> {
        self.fill()?;
        self.recorder.run(&self.commands.gradients).await?;
        self.recorder.run(self.commands.update(self.step - 1)).await?;
        // A slot is reused only after the step that reads it was submitted.
        if self.step.is_multiple_of(AHEAD) {
            self.recorder.submit().await?;
        }
        Ok(())
    }

    /// Writes the batches of the next step into their slots and advances the step count.
    fn fill(&mut self) -> Result<()> {
        let TrainConfig { accumulate, seed, batch, .. } = self.config;
        for micro in 0..accumulate {
            let number = u64::from(self.step) * u64::from(accumulate) + u64::from(micro);
            let batch = self.windows.random(seed, number as u32, batch as usize)?;
            self.commands.feed.fill(&self.gpu, number, &batch.tokens, &batch.targets)?;
        }
        let no_more = || Error::Config(format!("a run has at most {} steps", u32::MAX));
        self.step = self.step.checked_add(1).ok_or_else(no_more)?;
        Ok(())
    }

    /// Records the next `steps` steps, at most 8, into the caller's encoder. The caller must submit it before the next call.
    ///
    /// # Errors
    /// [`Error::Config`] for more than 8 steps; [`Error::Data`]; [`Error::Unfinished`] after a step that failed midway.
    pub fn record(&mut self, steps: u32, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        if steps > AHEAD {
            return Err(Error::Config(format!("at most {AHEAD} steps fit one encoder, not {steps}")));
        }
        if self.torn {
            return Err(Error::Unfinished { begun: self.step });
        }
        self.torn = true;
        for _ in 0..steps {
            self.fill()?;
            self.commands.gradients.record(encoder);
            self.commands.update(self.step - 1).record(encoder);
        }
        self.torn = false;
        Ok(())
    }

    /// The records of the last `count` steps.
    async fn records(&self, count: u32) -> Result<Vec<Record>> {
        let ring: Vec<Record> = self.gpu.read(&self.commands.metrics, 0, metrics_bytes(RING)).await?;
        let at = |step: u32| ring[(step % RING) as usize];
        Ok((self.step - count..self.step).map(at).collect())
    }

    /// Bits per byte of a text: over all of its windows, or over `most` windows spread evenly.
    ///
    /// # Errors
    /// As [`Evaluator::bits_per_byte`].
    pub async fn evaluate(&mut self, text: &Arc<dyn Text>, most: Option<u64>) -> Result<f64> {
        let windows = Windows::new(Arc::clone(text), self.model.config.length as usize, "the text")?;
        self.evaluator.bits_per_byte(&windows, most).await
    }

    /// The evaluator of the current model.
    pub fn evaluator(&mut self) -> &mut Evaluator {
        &mut self.evaluator
    }

    /// The model as bytes of a safetensors file ([`Language::save`]).
    ///
    /// # Errors
    /// As [`Language::save`].
    pub async fn save(&self) -> Result<Vec<u8>> {
        self.model.save(&self.gpu).await
    }

    /// A checkpoint of the run between two steps.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a weight is not finite, so that a broken model never replaces a good file; [`Error::Unfinished`] if
    /// recorded steps were not submitted, or a step failed midway; [`Error::DeviceLost`].
    pub async fn checkpoint(&self) -> Result<Checkpoint> {
        let parameters = &self.model.parameters;
        let state = self.whole_state().await?;
        let [first, second] = parameters.moments(&self.gpu).await?;
        let tensors = [parameters.read(&self.gpu).await?, first, second];
        let broken = |values: &Vec<f32>| values.iter().any(|v| !v.is_finite());
        if let Some(i) = tensors.iter().find_map(|all| all.iter().position(broken)) {
            return Err(Error::Diverged { step: self.step, tensor: parameters.specs()[i].name.clone() });
        }
        Ok(Checkpoint {
            model: self.model.config.clone(),
            train: self.config.clone(),
            plan: self.plan(),
            text: self.mark,
            state,
            tensors,
        })
    }

    /// The state on the device. Fails unless every recorded step was completed.
    async fn whole_state(&self) -> Result<TrainState> {
        let state: Vec<TrainState> =
            self.gpu.read(self.commands.feed.state(), 0, size_of::<TrainState>() as u64).await?;
        if self.torn || state[0].step != self.step {
            return Err(Error::Unfinished { begun: self.step });
        }
        Ok(state[0])
    }

    /// The kernel plan: chosen by the adapter class and the model's sizes, or taken from the checkpoint.
    pub fn plan(&self) -> Plan {
        Plan { tuning: *self.gpu.tuning(), planes: self.model.placement }
    }

    /// The device with the run's tuning.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Runs the forward and backward pass on the caller's batch [B, T]. Returns the loss of each row in nats, [B T]; gradients
    /// are left in the parameter pages. The step count and the weights do not change.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batch does not fit; [`Error::DeviceLost`].
    pub(crate) async fn try_batch(&mut self, tokens: &[u32], targets: &[u32]) -> Result<Vec<f32>> {
        let slot = u64::from(self.step) * u64::from(self.config.accumulate);
        self.commands.feed.fill(&self.gpu, slot, tokens, targets)?;
        self.recorder.run(&self.commands.gradients).await?;
        self.recorder.finish().await?;
        self.gpu.read(&self.commands.losses, 0, 4 * tokens.len() as u64).await
    }

    /// Runs one more step with each dispatch timed alone, and returns its time by kernel.
    ///
    /// # Errors
    /// As [`profile`].
    pub async fn profile(&mut self) -> Result<(Clock, Vec<KernelTime>)> {
        self.recorder.finish().await?;
        self.torn = true;
        self.fill()?;
        let mut program = self.commands.gradients.clone();
        program.append(self.commands.update(self.step - 1));
        let times = profile(&self.gpu, &program).await?;
        self.torn = false;
        Ok(times)
    }

    /// The programs of the next step: gradients, then update.
    pub fn programs(&self) -> [&Program; 2] {
        [&self.commands.gradients, self.commands.update(self.step)]
    }
}

/// The windows of the training text, from which batches are drawn.
fn windows(text: &Arc<dyn Text>, model: &LanguageConfig) -> Result<Windows> {
    Ok(Windows::new(Arc::clone(text), model.length as usize, "the training text")?)
}
