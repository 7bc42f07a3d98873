//! Evaluates a model: bits per byte of a text.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::data::{IGNORED, Windows};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Recorder};
use crate::models::feed::{Feed, rows};
use crate::models::language::{Language, Losses, VOCABULARY};
use crate::nn::Pass;
use crate::ops::Builder;
use crate::ops::nn::train_state::TrainState;

/// Runs the forward pass of a model over whole texts, in windows of the model's length.
#[derive(Debug)]
pub struct Evaluator {
    gpu: Gpu,
    program: Program,
    feed: Feed,
    losses: Buffer,
    batch: u32,
}

impl Evaluator {
    /// Prepares for batches of `batch` windows. Reuses free memory of `b`.
    ///
    /// # Errors
    /// As [`Language::losses`].
    pub fn new(b: &mut Builder, model: &Language, batch: u32) -> Result<Self> {
        let length = model.config.length;
        let rows = rows(batch, length)?;
        let feed = Feed::new(&b.gpu, rows, VOCABULARY, 1, TrainState::default())?;
        let losses = b.gpu.storage("losses", 4 * u64::from(rows))?;
        let parameters = &model.parameters;
        let mut pass = Pass { b, parameters, batch, length, keep: false, accumulate: false, dropout: None };
        model.losses(&mut pass, feed.batch(0), &Losses { rows: &losses, accumulate: false }, 0.0)?;
        let (gpu, program) = (b.gpu.clone(), b.take_program());
        Ok(Self { gpu, program, feed, losses, batch })
    }

    /// Bits per byte of a text: over all of its windows, or over `most` windows spread evenly. All windows together predict every
    /// byte but the first once, from the bytes before it in its window.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if the text cannot be read; [`crate::Error::DeviceLost`].
    pub async fn bits_per_byte(&mut self, windows: &Windows, most: Option<u64>) -> Result<f64> {
        let result = self.bits_per_byte_while(windows, most, |_| ControlFlow::Continue(())).await?;
        Ok(result.unwrap_or(f64::NAN))
    }

    /// Like [`Evaluator::bits_per_byte`]. `each` receives the number of windows read so far and may stop the evaluation; the
    /// result is then none.
    ///
    /// # Errors
    /// As [`Evaluator::bits_per_byte`].
    pub async fn bits_per_byte_while(
        &mut self,
        windows: &Windows,
        most: Option<u64>,
        mut each: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<f64>> {
        const IN_FLIGHT: usize = 3;
        let (mut nats, mut predicted) = (0.0, 0u64);
        let count = windows.count().min(most.unwrap_or(u64::MAX));
        let mut recorder = Recorder::new(&self.gpu);
        let mut pending = VecDeque::new();
        let (mut first, mut stopped) = (0, false);
        while (first < count && !stopped) || !pending.is_empty() {
            if first < count && !stopped && pending.len() < IN_FLIGHT {
                let batch = windows.spread(first, self.batch as usize, count)?;
                first += u64::from(self.batch);
                self.feed.fill(&self.gpu, 0, &batch.tokens, &batch.targets)?;
                recorder.run(&self.program).await?;
                recorder.submit().await?;
                let read = self.gpu.start_read(&self.losses, 0, self.losses.size()).await?;
                pending.push_back((read, batch.targets, first.min(count)));
            } else if let Some((read, targets, done)) = pending.pop_front() {
                let losses: Vec<f32> = read.finish(&self.gpu).await?;
                for (loss, _) in losses.iter().zip(&targets).filter(|(_, target)| **target != IGNORED) {
                    nats += f64::from(*loss);
                    predicted += 1;
                }
                stopped = stopped || each(done).is_break();
            }
        }
        // Of no windows there is no mean: NaN.
        Ok((!stopped).then(|| super::bits(nats / predicted as f64)))
    }
}
