//! What a training run is configured by, beside the model.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::AdapterClass;
use crate::ops::nn::train_state::Schedule;

/// Batch, schedule and optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Sequences of a micro-batch, B.
    pub batch: u32,
    /// Micro-batches whose gradients make a step.
    pub accumulate: u32,
    /// Steps of the run.
    pub steps: u32,
    /// Steps in which the learning rate rises from 0; at most a tenth of the run.
    pub warmup: u32,
    /// Learning rate after the warm-up; it then falls by half a cosine.
    pub lr: f32,
    /// Learning rate at the end.
    pub lr_floor: f32,
    /// Decay of AdamW's first moment.
    pub beta1: f32,
    /// Decay of its second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, on the weights of linear layers.
    pub weight_decay: f32,
    /// A longer gradient is scaled down to this norm.
    pub clip: f32,
    /// Seed of parameters, batches and dropout.
    pub seed: u64,
}

impl TrainConfig {
    /// The paper's Enwik8 settings (section 4.2) for 12 layers of 512: batch 128, learning rate 3e-3, weight decay 0.5. What it
    /// does not say (betas, clipping, warm-up) is what the field uses.
    pub fn paper_enwik8() -> Self {
        Self {
            batch: 128,
            accumulate: 1,
            // 100 epochs of 90 MB in windows of 1,024.
            steps: 68_664,
            warmup: 4_000,
            lr: 3e-3,
            lr_floor: 0.0,
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.5,
            clip: 1.0,
            seed: 0,
        }
    }

    /// A run of about two minutes, for [`crate::models::language::LanguageConfig::for_adapter`].
    pub fn for_adapter(class: AdapterClass) -> Self {
        let short = Self { warmup: 100, weight_decay: 0.1, ..Self::paper_enwik8() };
        match class {
            AdapterClass::Software => Self { batch: 2, steps: 2000, lr: 1e-2, ..short },
            AdapterClass::Integrated | AdapterClass::Unknown => Self { batch: 16, steps: 3000, lr: 3e-3, ..short },
            AdapterClass::Discrete => Self { batch: 32, steps: 4000, lr: 2e-3, ..short },
        }
    }

    /// Fails on settings that make no run.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and what it may be.
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(Error::Config(text));
        for (name, value) in [("batch", self.batch), ("accumulate", self.accumulate), ("steps", self.steps)] {
            if value == 0 {
                return fail(format!("{name} is at least 1"));
            }
        }
        if self.accumulate > 1024 {
            return fail(format!("accumulate is at most 1024, not {}", self.accumulate));
        }
        for (name, value) in [("lr", self.lr), ("eps", self.eps), ("clip", self.clip)] {
            if !(value > 0.0 && value.is_finite()) {
                return fail(format!("{name} is positive, not {value}"));
            }
        }
        for (name, value) in [("lr_floor", self.lr_floor), ("weight_decay", self.weight_decay)] {
            if !(value >= 0.0 && value.is_finite()) {
                return fail(format!("{name} is not negative, as {value} is"));
            }
        }
        for (name, value) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return fail(format!("{name} lies in [0, 1), not at {value}"));
            }
        }
        Ok(())
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let warmup = self.warmup.min(self.steps / 10);
        Schedule { peak: self.lr, floor: self.lr_floor, warmup, steps: self.steps }
    }

    /// The device's part of the seed.
    pub(crate) fn device_seed(&self) -> u32 {
        self.seed as u32 ^ (self.seed >> 32) as u32
    }
}
