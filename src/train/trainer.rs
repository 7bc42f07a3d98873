//! The training loop: a step is a program made once; the host fills batches ahead and reads metrics behind.

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

/// Skipped steps in a row that end a run.
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
    /// A step failed between its batches and its submission, or was abandoned there.
    torn: bool,
}

/// What a trainer begins with.
struct Start {
    /// Of the parameters, if they start from one.
    seed: Option<u64>,
    /// Before the first step.
    state: TrainState,
    /// Of the text.
    mark: TextMark,
}

impl Trainer {
    /// Makes a model and all that training it needs; after this a step allocates nothing. Reads the whole text once, to know
    /// it again.
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

    /// A run that goes on from a checkpoint, with its plan: on the same adapter it gives the same bits as one that was never
    /// interrupted.
    ///
    /// # Errors
    /// As [`Trainer::new`]; [`Error::Config`] if `text` is not the text that the checkpoint was trained on, or if this version
    /// or device has not the checkpoint's plan.
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

    /// A new run that begins with the weights in the bytes of a model's file or of a checkpoint: of the model there may differ
    /// the dropout alone.
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

    /// Fails where [`Trainer::new`] would before it makes anything on the device.
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

    /// Changes what is still to come: the number of steps, and the learning rate of steps that were not done yet.
    ///
    /// # Errors
    /// [`Error::Config`] if anything else differs from the run's settings; [`Error::OutOfMemory`].
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
    /// [`Error::NonFinite`] if the gradient was not finite three steps in a row; [`Error::Data`], [`Error::DeviceLost`];
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

    /// Fills a step's batches and records it.
    async fn enqueue(&mut self) -> Result<()> {
        self.fill()?;
        self.recorder.run(&self.commands.gradients).await?;
        self.recorder.run(self.commands.update(self.step - 1)).await?;
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
            self.commands.feed.fill(&self.gpu, number, &batch.tokens, &batch.targets)?;
        }
        let no_more = || Error::Config(format!("a run has at most {} steps", u32::MAX));
        self.step = self.step.checked_add(1).ok_or_else(no_more)?;
        Ok(())
    }

    /// Records the next `steps` steps, at most 8, into a caller's encoder, which the caller submits before it asks for more.
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

    /// Bits per byte of a text, over all of its windows or `most` that are spread evenly over it.
    ///
    /// # Errors
    /// As [`Evaluator::bits_per_byte`].
    pub async fn evaluate(&self, text: &Arc<dyn Text>, most: Option<u64>) -> Result<f64> {
        let windows = Windows::new(Arc::clone(text), self.model.config.length as usize, "the text")?;
        self.evaluator.bits_per_byte(&windows, most).await
    }

    /// What evaluates the model as it stands.
    pub fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    /// The model as a safetensors file ([`Language::save`]).
    ///
    /// # Errors
    /// As [`Language::save`].
    pub async fn save(&self) -> Result<Vec<u8>> {
        self.model.save(&self.gpu).await
    }

    /// The run as it stands between two steps.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a weight is not finite, so that no file of a broken model replaces one of a good model;
    /// [`Error::Unfinished`] if steps were recorded and not submitted, or one failed midway; [`Error::DeviceLost`].
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

    /// The state on the device, which has done every step that was begun.
    async fn whole_state(&self) -> Result<TrainState> {
        let state: Vec<TrainState> =
            self.gpu.read(self.commands.feed.state(), 0, size_of::<TrainState>() as u64).await?;
        if self.torn || state[0].step != self.step {
            return Err(Error::Unfinished { begun: self.step });
        }
        Ok(state[0])
    }

    /// How kernels are shaped and where planes live: by the class of the adapter and the model's sizes, or as the checkpoint
    /// says that the run goes on from.
    pub fn plan(&self) -> Plan {
        Plan { tuning: *self.gpu.tuning(), planes: self.model.placement }
    }

    /// The device, with the run's tuning.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Runs the forward and the backward pass of a step over a caller's batch [B, T], and returns the loss of each row in nats, [B T];
    /// gradients are in the parameters' pages then. No step is counted, and no weight changes.
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

    /// Runs one more step, each dispatch alone, and returns its time by kernel.
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

    /// Commands of the next step: first those that make the gradients, then those of the update.
    pub fn programs(&self) -> [&Program; 2] {
        [&self.commands.gradients, self.commands.update(self.step)]
    }
}

/// The windows that batches are drawn from.
fn windows(text: &Arc<dyn Text>, model: &LanguageConfig) -> Result<Windows> {
    Ok(Windows::new(Arc::clone(text), model.length as usize, "the training text")?)
}
