//! Settings for drawing the next token.

use crate::error::{Error, Result};
use crate::ops::nn::sample::Settings;

/// Settings for drawing tokens from softmax(logits / temperature). A token depends only on the text before it, its
/// number and these settings, so a stream repeats bit for bit, however it is cut into calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits: below 1 favours likelier tokens; below 1e-6, 0 included, always takes the likeliest.
    pub temperature: f32,
    /// Keeps only the `top_k` likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Of these, keeps the fewest whose share of the probability reaches `top_p`; 1 keeps all.
    pub top_p: f32,
    /// The same seed gives the same text.
    pub seed: u64,
    /// Random-number counter of sequence 0. Sequence i gets the same text as a single sequence with `first_sequence` +
    /// i.
    pub first_sequence: u32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.7, top_k: 0, top_p: 1.0, seed: 0, first_sequence: 0 }
    }
}

impl Sampling {
    /// The settings in the device's layout.
    ///
    /// # Errors
    /// [`Error::Config`] if the temperature is negative or not finite, or `top_p` is not in (0, 1].
    pub fn settings(&self) -> Result<Settings> {
        let Self { temperature, top_k, top_p, seed, first_sequence } = *self;
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::Config(format!("the temperature must be 0 or more and finite, not {temperature}")));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::Config(format!("top-p must be above 0 and at most 1, not {top_p}")));
        }
        // Above 1e6 logits make no difference.
        let temperature = if temperature < 1e-6 { 0.0 } else { temperature.min(1e6) };
        Ok(Settings { temperature, top_p, top_k, first_sequence, seed: [seed as u32, (seed >> 32) as u32] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn nonsense_is_refused_by_name() {
        for temperature in [-0.1, f32::NAN, f32::INFINITY] {
            let error = Sampling { temperature, ..Default::default() }.settings().unwrap_err();
            assert!(error.to_string().contains("temperature"), "{error}");
        }
        for top_p in [0.0, -1.0, 1.1, f32::NAN] {
            let error = Sampling { top_p, ..Default::default() }.settings().unwrap_err();
            assert!(error.to_string().contains("top-p"), "{error}");
        }
    }

    #[test]
    fn settings_are_what_the_device_can_divide_by() {
        let temperature = |temperature| Sampling { temperature, ..Default::default() }.settings().unwrap().temperature;
        assert_eq!([0.0, 1e-9, 0.5, f32::MAX].map(temperature), [0.0, 0.0, 0.5, 1e6]);
        assert_eq!(Sampling { seed: 7 << 32 | 5, ..Default::default() }.settings().unwrap().seed, [5, 7]);
    }
}
