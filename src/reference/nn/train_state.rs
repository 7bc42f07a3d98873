//! End of a training step: clipping, learning-rate schedule, and skipped steps.
//!
//! ```text
//! lr(s) = peak (s + 1) / warmup                                  for s < warmup
//!       = floor + (peak - floor) (1 + cos(pi p)) / 2             from then on,
//!         p = min(1, (s - warmup) / (steps - warmup))
//! correction = 1 - beta^updates
//! ```
//!
//! The cosine schedule is by Loshchilov and Hutter, 2017 (arXiv 1608.03983, Equation 5), without restarts.
use super::gradient_norm::clip_factor;

/// Schedule of the learning rate; `steps` is above `warmup`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Rate after the warm-up.
    pub peak: f64,
    /// Rate at the end.
    pub floor: f64,
    /// Steps of the warm-up.
    pub warmup: u32,
    /// Steps of the run, warm-up included.
    pub steps: u32,
}

/// State of a run after some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Steps closed.
    pub step: u32,
    /// Steps whose gradient was not finite.
    pub skipped: u32,
    /// Skipped steps in a row, up to the last one.
    pub skipped_in_a_row: u32,
    /// Steps whose gradient was finite.
    pub updates: u32,
    /// Learning rate of the last closed step.
    pub lr: f64,
    /// Clipping factor of its gradient.
    pub clip: f64,
    /// 1 - beta1^updates.
    pub correction1: f64,
    /// 1 - beta2^updates.
    pub correction2: f64,
}

impl Schedule {
    /// Learning rate of step `step`, from 0.
    pub fn lr(&self, step: u32) -> f64 {
        let Self { peak, floor, warmup, steps } = *self;
        if step < warmup {
            return peak * f64::from(step + 1) / f64::from(warmup);
        }
        let past = f64::from(step - warmup) / f64::from(steps - warmup);
        floor + (peak - floor) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * past.min(1.0)))
    }
}

impl State {
    /// The state after one more step with gradient norm `norm`.
    pub fn close(&self, schedule: &Schedule, max_norm: f64, betas: (f64, f64), norm: f64) -> Self {
        let finite = u32::from(norm.is_finite());
        let updates = self.updates + finite;
        let correction = |beta: f64| 1.0 - beta.powf(f64::from(updates));
        Self {
            step: self.step + 1,
            skipped: self.skipped + 1 - finite,
            skipped_in_a_row: (self.skipped_in_a_row + 1) * (1 - finite),
            updates,
            lr: schedule.lr(self.step),
            clip: if norm.is_finite() { clip_factor(norm, max_norm) } else { 1.0 },
            correction1: correction(betas.0),
            correction2: correction(betas.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { peak: 8.0, floor: 2.0, warmup: 4, steps: 12 };

    #[test]
    fn the_rate_rises_in_a_line_and_falls_by_half_a_cosine() {
        let rates: Vec<f64> = [0, 1, 3, 4, 8, 12, 13, u32::MAX].iter().map(|&s| SCHEDULE.lr(s)).collect();
        let expected = [2.0, 4.0, 8.0, 8.0, 5.0, 2.0, 2.0, 2.0];
        assert!(rates.iter().zip(expected).all(|(r, e)| (r - e).abs() < 1e-12), "{rates:?}");
        let constant = Schedule { peak: 3.0, floor: 3.0, warmup: 0, steps: 1 };
        assert_eq!([0, 1, 9].map(|s| constant.lr(s)), [3.0; 3]);
    }

    #[test]
    fn a_step_that_is_not_finite_corrects_nothing() {
        let close = |state: State, norm| state.close(&SCHEDULE, 1.0, (0.5, 0.75), norm);
        let one = close(State::default(), 4.0);
        assert_eq!((one.clip, one.correction1, one.correction2), (0.25, 0.5, 0.25));
        let two = close(close(one, f64::NAN), f64::INFINITY);
        assert_eq!((two.step, two.updates, two.skipped, two.skipped_in_a_row), (3, 1, 2, 2));
        assert_eq!((two.correction1, two.correction2, two.clip), (0.5, 0.25, 1.0));
        let three = close(two, 0.5);
        assert_eq!((three.updates, three.skipped, three.skipped_in_a_row, three.clip), (2, 2, 0, 1.0));
        assert_eq!((three.correction1, three.correction2), (0.75, 0.4375));
    }
}
