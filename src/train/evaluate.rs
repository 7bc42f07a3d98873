//! Bits per byte of a text.

use std::collections::VecDeque;

use crate::data::{IGNORED, Windows};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program};
use crate::models::language::{Language, Losses, VOCABULARY};
use crate::nn::Pass;
use crate::ops::Builder;
use crate::ops::nn::train_state::TrainState;
use crate::train::feed::{Feed, rows};

/// The forward pass of a model over whole texts, in windows of its length.
#[derive(Debug)]
pub struct Evaluator {
    gpu: Gpu,
    program: Program,
    feed: Feed,
    losses: Buffer,
    batch: u32,
}

impl Evaluator {
    /// Prepares `batch` windows at a time. Memory that `b` has free is used again.
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
        Ok(Self { gpu: b.gpu.clone(), program: b.take_program(), feed, losses, batch })
    }

    /// Bits per byte over the windows of a text, all of them or the first `most`. Every byte but the first is predicted once,
    /// from those before it in its window.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if the text cannot be read; [`crate::Error::DeviceLost`].
    pub async fn bits_per_byte(&self, windows: &Windows, most: Option<u64>) -> Result<f64> {
        const IN_FLIGHT: usize = 3;
        let (mut nats, mut predicted) = (0.0, 0usize);
        let count = windows.count().min(most.unwrap_or(u64::MAX));
        let mut pending = VecDeque::new();
        let mut first = 0;
        while first < count || !pending.is_empty() {
            if first < count && pending.len() < IN_FLIGHT {
                let batch = windows.consecutive(first, self.batch as usize)?;
                first += u64::from(self.batch);
                self.feed.fill(&self.gpu, 0, &batch.tokens, &batch.targets)?;
                let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
                self.program.record(&mut encoder);
                self.gpu.queue().submit([encoder.finish()]);
                pending.push_back((self.gpu.start_read(&self.losses, 0, self.losses.size())?, batch));
            } else if let Some((read, batch)) = pending.pop_front() {
                let losses: Vec<f32> = read.finish(&self.gpu).await?;
                let rows = losses.iter().zip(&batch.targets).filter(|(_, target)| **target != IGNORED);
                nats += rows.map(|(loss, _)| f64::from(*loss)).sum::<f64>();
                predicted += batch.predicted;
            }
        }
        Ok(super::bits(nats / predicted.max(1) as f64))
    }
}
