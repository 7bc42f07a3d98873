//! The commands of a training step, recorded once: gradients, then norm, clipping, schedule and AdamW.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Program};
use crate::models::feed::{Feed, rows};
use crate::models::language::{Language, Losses, VOCABULARY};
use crate::nn::{Dropout, Pass};
use crate::ops::Builder;
use crate::ops::nn::adamw::{self, Hyper, Update};
use crate::ops::nn::gradient_norm::{self, MAX_PARTIALS, SumSquares};
use crate::ops::nn::train_state::{CloseStep, Schedule, TrainState, close_step, metrics_bytes};
use crate::train::TrainConfig;

/// Number of steps whose batches fit on the device at once.
pub(super) const AHEAD: u32 = 8;
/// Number of steps whose metrics fit on the device.
pub(super) const RING: u32 = 64;

/// The commands and buffers of a training step.
pub(super) struct StepCommands {
    /// Batches and the training state.
    pub(super) feed: Feed,
    /// The loss of each row [B T].
    pub(super) losses: Buffer,
    /// Ring buffer of [`RING`] records.
    pub(super) metrics: Buffer,
    partials: Buffer,
    /// First half of a step: the gradients.
    pub(super) gradients: Program,
    /// Second half of a step: one program for each learning-rate schedule, with the step at which it ends (exclusive).
    pub(super) updates: Vec<(u32, Program)>,
}

impl StepCommands {
    /// Prepares the steps of `model`, starting from `state`.
    pub(super) fn new(b: &mut Builder, model: &Language, config: &TrainConfig, state: TrainState) -> Result<Self> {
        let gpu = b.gpu.clone();
        let rows = rows(config.batch, model.config.length)?;
        let feed = Feed::new(&gpu, rows, VOCABULARY, AHEAD * config.accumulate, state)?;
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
                b,
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
        let gradients = b.take_program();
        let mut commands = Self { feed, losses, metrics, partials, gradients, updates: Vec::new() };
        commands.updates = commands.updates(b, model, config, state.step)?;
        Ok(commands)
    }

    /// The second half of the step after `step` completed steps.
    pub(super) fn update(&self, step: u32) -> &Program {
        let last = self.updates.len() - 1;
        let index = self.updates.iter().position(|(until, _)| step < *until);
        &self.updates[index.unwrap_or(last)].1
    }

    /// The second halves of all steps after `step` completed steps, one for each schedule.
    pub(super) fn updates(
        &self,
        b: &mut Builder,
        model: &Language,
        config: &TrainConfig,
        step: u32,
    ) -> Result<Vec<(u32, Program)>> {
        let schedules = config.schedules().into_iter().filter(|&(until, _)| until > step || until == u32::MAX);
        schedules.map(|(until, schedule)| Ok((until, self.second_half(b, model, config, schedule)?))).collect()
    }

    /// Records norm, clipping, learning rate and AdamW.
    fn second_half(
        &self,
        b: &mut Builder,
        model: &Language,
        config: &TrainConfig,
        schedule: Schedule,
    ) -> Result<Program> {
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
            schedule,
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
}

/// Weight of one row's loss in the mean of a step.
fn loss_scale(rows: u32, config: &TrainConfig) -> f32 {
    1.0 / (rows as f32 * config.accumulate as f32)
}
