//! Settings of a training run, apart from the model.

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
    /// Micro-batches whose gradients are summed in a step.
    pub accumulate: u32,
    /// Steps of the run.
    pub steps: u32,
    /// Steps in which the learning rate rises from 0; at most a tenth of the run, unless [`hold`](Self::hold) is set.
    pub warmup: u32,
    /// The learning rate does not fall before this step, and until then does not depend on the number of steps, which may be
    /// fixed later. It is [`TrainConfig::OPEN`] until then. 0: the rate falls directly after the warm-up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hold: u32,
    /// Learning rate after the warm-up; it then falls along half a cosine.
    pub lr: f32,
    /// Learning rate at the end of the run.
    pub lr_floor: f32,
    /// Decay of AdamW's first moment.
    pub beta1: f32,
    /// Decay of AdamW's second moment.
    pub beta2: f32,
    /// Added to the square root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, on the weights of linear layers.
    pub weight_decay: f32,
    /// Maximum gradient norm; larger gradients are scaled down to it.
    pub clip: f32,
    /// Seed of parameters, batches and dropout.
    pub seed: u64,
    /// Earlier step counts, if the run was extended, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<Extended>,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A step count from before the run was extended. From step `until` on, the learning rate is that of a run with the next count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extended {
    /// Steps completed when the count changed.
    pub until: u32,
    /// The count before the change.
    pub steps: u32,
}

impl TrainConfig {
    /// A [`hold`](Self::hold) without end, while the number of steps is not fixed.
    pub const OPEN: u32 = u32::MAX;

    /// The paper's Enwik8 settings (section 4.2) for 12 layers of 512 channels: batch 128, learning rate 3e-3, weight decay 0.5.
    /// Values that the paper does not give (betas, clipping, warm-up) are the usual ones.
    pub fn paper_enwik8() -> Self {
        Self {
            batch: 128,
            accumulate: 1,
            // 100 epochs of 90 MB in windows of 1,024.
            steps: 68_664,
            warmup: 4_000,
            hold: 0,
            lr: 3e-3,
            lr_floor: 0.0,
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.5,
            clip: 1.0,
            seed: 0,
            extended: Vec::new(),
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

    /// Fails on invalid settings.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and its allowed values.
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
        if !self.extended.is_sorted_by(|a, b| a.until < b.until) {
            return fail("extended is in the order of its steps".into());
        }
        Ok(())
    }

    /// Changes the number of steps of a run after `done` steps. From then on the learning rate is that of a run of `steps` steps.
    pub fn extend(&mut self, done: u32, steps: u32) {
        // Earlier changes that take effect only after `done` are dropped.
        let now = self.extended.iter().find(|earlier| earlier.until >= done).map_or(self.steps, |e| e.steps);
        self.extended.retain(|earlier| earlier.until < done);
        if done > 0 && steps != now {
            self.extended.push(Extended { until: done, steps: now });
        }
        self.steps = steps;
    }

    /// Whether runs with these and the `other` settings are in the same state after `done` steps: they may differ only in the
    /// learning rate of later steps.
    pub fn agrees_until(&self, done: u32, other: &Self) -> bool {
        let started = |config: &Self| {
            let mut from = 0;
            let mut schedules = config.schedules();
            schedules.retain(|&(until, _)| std::mem::replace(&mut from, until) < done);
            schedules.into_iter().map(|(until, schedule)| (until.min(done), schedule)).collect::<Vec<_>>()
        };
        let Self { warmup, hold, steps, ref extended, .. } = *self;
        started(self) == started(other)
            && *self == Self { warmup, hold, steps, extended: extended.clone(), ..other.clone() }
    }

    /// The learning-rate schedules, each with the step at which it ends (exclusive).
    pub(crate) fn schedules(&self) -> Vec<(u32, Schedule)> {
        let hold = self.held();
        let mut schedules = Vec::new();
        if hold > 0 {
            let Self { lr: peak, warmup, .. } = *self;
            schedules.push((hold, Schedule { peak, floor: peak, warmup, steps: warmup }));
        }
        let last = Extended { until: u32::MAX, steps: self.steps };
        let later = self.extended.iter().chain([&last]).filter(|stage| stage.until > hold);
        schedules.extend(later.map(|stage| (stage.until, self.falling(stage.steps))));
        schedules
    }

    /// The last learning-rate schedule.
    pub(crate) fn schedule(&self) -> Schedule {
        self.falling(self.steps)
    }

    /// The step before which the learning rate does not fall; 0 without a hold.
    fn held(&self) -> u32 {
        if self.hold > 0 { self.hold.max(self.warmup) } else { 0 }
    }

    fn falling(&self, steps: u32) -> Schedule {
        let Self { lr: peak, lr_floor: floor, .. } = *self;
        let warmup = if self.hold > 0 { self.held() } else { self.warmup.min(steps / 10) };
        Schedule { peak, floor, warmup, steps }
    }

    /// The seed folded to 32 bits, for the device.
    pub(crate) fn device_seed(&self) -> u32 {
        self.seed as u32 ^ (self.seed >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TrainConfig {
        TrainConfig { steps: 1000, warmup: 100, ..TrainConfig::paper_enwik8() }
    }

    /// For each schedule: its end, its warm-up, its last step, and whether it falls.
    fn schedules(config: &TrainConfig) -> Vec<(u32, u32, u32, bool)> {
        config.schedules().iter().map(|(until, s)| (*until, s.warmup, s.steps, s.floor < s.peak)).collect()
    }

    #[test]
    fn the_rate_falls_after_the_hold() {
        const END: u32 = u32::MAX;
        assert_eq!(schedules(&config()), [(END, 100, 1000, true)]);
        assert_eq!(schedules(&TrainConfig { steps: 50, ..config() }), [(END, 5, 50, true)]);
        let held = TrainConfig { hold: 250, ..config() };
        assert_eq!(schedules(&held), [(250, 100, 100, false), (END, 250, 1000, true)]);
        assert_eq!(schedules(&TrainConfig { hold: END, steps: END, ..config() }), [(END, 100, 100, false)]);
        // A warm-up is never cut short.
        assert_eq!(schedules(&TrainConfig { hold: 20, ..config() }), [(100, 100, 100, false), (END, 100, 1000, true)]);
    }

    #[test]
    fn a_longer_run_keeps_the_rates_of_its_past() {
        let mut longer = config();
        longer.extend(1000, 4000);
        longer.extend(1500, 5000);
        let expected = [(1000, 100, 1000, true), (1500, 100, 4000, true), (u32::MAX, 100, 5000, true)];
        assert_eq!(schedules(&longer), expected);
        assert!(longer.validate().is_ok());
        // Extended again at a later or an earlier step: changes that have not taken effect are dropped.
        longer.extend(1500, 6000);
        assert_eq!(schedules(&longer)[..2], expected[..2]);
        assert_eq!((longer.extended.len(), longer.steps), (2, 6000));
        longer.extend(1200, 7000);
        assert_eq!(longer.extended, [Extended { until: 1000, steps: 1000 }, Extended { until: 1200, steps: 4000 }]);
        let mut unbegun = config();
        unbegun.extend(0, 2000);
        assert_eq!(unbegun, TrainConfig { steps: 2000, ..config() });
    }

    #[test]
    fn runs_agree_until_their_rates_differ() {
        let open = TrainConfig { steps: u32::MAX, hold: u32::MAX, ..config() };
        let fixed = TrainConfig { steps: 900, hold: 300, ..config() };
        let agree = |a: &TrainConfig, b: &TrainConfig, step| a.agrees_until(step, b) && b.agrees_until(step, a);
        assert!(agree(&open, &fixed, 0) && agree(&open, &fixed, 300) && !agree(&open, &fixed, 301));
        let mut longer = config();
        longer.extend(700, 4000);
        assert!(agree(&config(), &longer, 700) && !agree(&config(), &longer, 701));
        assert!(agree(&config(), &TrainConfig { steps: 2000, ..config() }, 0));
        assert!(!agree(&config(), &TrainConfig { steps: 2000, ..config() }, 1));
        assert!(!agree(&config(), &TrainConfig { seed: 1, ..config() }, 0));
    }
}
