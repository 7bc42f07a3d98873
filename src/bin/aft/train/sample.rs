//! Generates the sample of a model in training.

use std::ops::ControlFlow;

use aft_wgpu::Result;
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::train::Trainer;

/// Sampling temperature of the sample.
pub const TEMPERATURE: f32 = 0.7;

/// Generates `count` bytes that follow a newline.
pub async fn sample(gpu: &Gpu, trainer: &Trainer, count: usize, seed: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    if count > 0 {
        let mut generator = Generator::new(gpu, &trainer.model, 1).await?;
        let take = |tokens: &[u8]| {
            bytes.extend_from_slice(tokens);
            ControlFlow::Continue(())
        };
        let sampling = Sampling { temperature: TEMPERATURE, seed, ..Default::default() };
        generator.generate(count, &sampling, take).await?;
    }
    Ok(bytes)
}
