//! Generation, byte by byte: the forward pass over the window so far, and a sample from the last row of logits.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Plane, Program, Recorder};
use crate::models::feed::Feed;
use crate::models::language::{Language, VOCABULARY};
use crate::nn::Pass;
use crate::ops::Builder;
use crate::ops::nn::train_state::TrainState;
use crate::random::{pcg4d, unit};

/// Generates from a language model. A model knows T positions: when they are full, the last T/2 bytes are read again from
/// position 0.
#[derive(Debug)]
pub struct Generator {
    gpu: Gpu,
    program: Program,
    feed: Feed,
    logits: Plane,
    length: usize,
}

impl Generator {
    /// Prepares one sequence.
    ///
    /// # Errors
    /// As [`Language::logits`].
    pub async fn new(gpu: &Gpu, model: &Language) -> Result<Self> {
        let length = model.config.length;
        gpu.checked("preparing generation", || {
            let b = &mut Builder::new(gpu, model.placement);
            let feed = Feed::new(gpu, length, VOCABULARY, 1, TrainState::default())?;
            let parameters = &model.parameters;
            let mut pass = Pass { b, parameters, batch: 1, length, keep: false, accumulate: false, dropout: None };
            let logits = model.logits(&mut pass, feed.batch(0))?;
            Ok(Self { gpu: gpu.clone(), program: b.take_program(), feed, logits, length: length as usize })
        })
        .await
    }

    /// Generates `count` bytes that follow `prompt`, and hands each on as it is made, until the caller breaks off. An empty
    /// prompt stands for a line end. Temperature 0 takes the likeliest byte.
    ///
    /// # Errors
    /// [`Error::Config`] if the temperature is negative or not finite; [`Error::DeviceLost`].
    pub async fn generate(
        &mut self,
        prompt: &[u8],
        count: usize,
        temperature: f32,
        seed: u64,
        mut on_byte: impl FnMut(u8) -> ControlFlow<()>,
    ) -> Result<()> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::Config(format!("a temperature is 0 or more, not {temperature}")));
        }
        let start = if prompt.is_empty() { b"\n" } else { prompt };
        // No more of the prompt than leaves room for a byte.
        let mut window = start[start.len().saturating_sub(self.length)..].to_vec();
        for i in 0..count {
            let logits = self.next_logits(&window).await?;
            let word = pcg4d([seed as u32, (seed >> 32) as u32, i as u32, SAMPLING])[0];
            let byte = sample(&logits, temperature, unit(word));
            if on_byte(byte).is_break() {
                break;
            }
            if window.len() == self.length {
                window.drain(..self.length - self.length / 2);
            }
            window.push(byte);
        }
        Ok(())
    }

    /// The logits of the byte that follows `window`, which holds 1 to T bytes.
    async fn next_logits(&self, window: &[u8]) -> Result<Vec<f32>> {
        let mut tokens: Vec<u32> = window.iter().copied().map(u32::from).collect();
        // What follows the last byte cannot change its row.
        tokens.resize(self.length, 0);
        self.feed.fill(&self.gpu, 0, &tokens, &tokens)?;
        let mut recorder = Recorder::new(&self.gpu);
        recorder.run(&self.program).await?;
        recorder.submit().await?;
        self.logits.read_row(&self.gpu, window.len() as u32 - 1).await
    }
}

/// The stream of random numbers that sampling uses.
const SAMPLING: u32 = u32::from_be_bytes(*b"samp");

/// The byte at `unit` of the cumulative distribution softmax(logits / temperature).
fn sample(logits: &[f32], temperature: f32, unit: f64) -> u8 {
    let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
    if temperature == 0.0 {
        return best as u8;
    }
    let weight = |l: f32| (f64::from(l - logits[best]) / f64::from(temperature)).exp();
    let mut left = unit * logits.iter().map(|&l| weight(l)).sum::<f64>();
    for (byte, &l) in logits.iter().enumerate() {
        left -= weight(l);
        if left < 0.0 {
            return byte as u8;
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_follows_the_distribution() {
        let mut logits = vec![f32::MIN; 256];
        logits[65] = (0.25f32).ln();
        logits[66] = (0.75f32).ln();
        assert_eq!(sample(&logits, 1.0, 0.24), 65);
        assert_eq!(sample(&logits, 1.0, 0.26), 66);
        assert_eq!(sample(&logits, 0.0, 0.1), 66);
        // At temperature 0.5 the weights are squared: 1/16 to 9/16.
        assert_eq!(sample(&logits, 0.5, 0.09), 65);
        assert_eq!(sample(&logits, 0.5, 0.11), 66);
    }
}
