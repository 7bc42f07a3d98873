//! A training run as a JavaScript class.

use std::cell::Cell;
use std::ops::ControlFlow;

use aft_wgpu::data::Corpus;
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::{AdapterClass, Gpu};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::{Checkpoint, TrainConfig, Trainer};
use wasm_bindgen::prelude::*;

use crate::options::whole;
use crate::{Failure, Options, device};

/// A run of the demo model on the embedded plays, on the device of the page.
///
/// A run does one thing at a time: a call while another is under way is rejected with the kind `Busy`. After `DeviceLost`
/// the run is dead; [`Run::resume`] goes on from its last checkpoint, on a new device.
#[wasm_bindgen]
pub struct Run {
    gpu: Gpu,
    steps: u32,
    step: Cell<u32>,
    /// Taken out while a method works with it.
    trainer: Cell<Option<Trainer>>,
}

#[wasm_bindgen]
impl Run {
    /// Starts a run. `options` may have `seed` and `steps` ([`Options`]). Model and training are those that the native
    /// program chooses on a processor, whatever the adapter.
    ///
    /// # Errors
    /// `InsecureOrigin`, `NoWebGpu`, `NoAdapter`, `NoDevice`, `Config`, `LimitExceeded`, `OutOfMemory`, `DeviceLost`.
    pub async fn create(options: JsValue) -> Result<Run, Failure> {
        let Options { seed, steps } = Options::read(&options)?;
        let model = LanguageConfig::for_adapter(AdapterClass::Software);
        let demo = TrainConfig::for_adapter(AdapterClass::Software);
        let train = TrainConfig { seed: seed.unwrap_or(demo.seed), steps: steps.unwrap_or(demo.steps), ..demo };
        let gpu = device::gpu().await?;
        let trainer = Trainer::new(&gpu, &model, &train, corpus()?.train).await?;
        Ok(Self::around(gpu, trainer))
    }

    /// Goes on from a checkpoint, of this page or of the native program on the same text.
    ///
    /// # Errors
    /// As [`Run::create`]; `Format` if the bytes are no checkpoint, `Config` if it is of another text.
    pub async fn resume(checkpoint: Vec<u8>) -> Result<Run, Failure> {
        let checkpoint = Checkpoint::from_bytes(&checkpoint)?;
        let gpu = device::gpu().await?;
        let trainer = Trainer::resume(&gpu, &checkpoint, corpus()?.train).await?;
        Ok(Self::around(gpu, trainer))
    }

    /// Trains `steps` steps; resolves to a Float32Array of their losses, in nats per byte.
    ///
    /// # Errors
    /// `Config` if the run has fewer steps left; `DeviceLost`, `NonFinite`, `Busy`.
    pub async fn train(&self, steps: JsValue) -> Result<Vec<f32>, Failure> {
        let steps = whole("The number of steps", &steps, (self.steps - self.step()).into())? as u32;
        let records = self.work(async |trainer| trainer.advance(steps).await).await?;
        Ok(records.iter().map(|record| record.loss).collect())
    }

    /// Generates `count` bytes after a line end; resolves to a Uint8Array of them. The same seed gives the same bytes;
    /// temperature 0 takes the likeliest.
    ///
    /// # Errors
    /// `Config` for numbers out of range; `DeviceLost`, `Busy`.
    pub async fn sample(&self, count: JsValue, temperature: f32, seed: JsValue) -> Result<Vec<u8>, Failure> {
        let count = whole("The number of bytes", &count, MOST_BYTES)? as usize;
        let seed = whole("seed", &seed, u32::MAX.into())? as u64;
        let generate = async |trainer: &mut Trainer| {
            let mut bytes = Vec::with_capacity(count);
            let keep = |tokens: &[u8]| {
                bytes.extend_from_slice(tokens);
                ControlFlow::Continue(())
            };
            let mut generator = Generator::new(&self.gpu, &trainer.model, 1).await?;
            generator.generate(count, &Sampling { temperature, seed, ..Default::default() }, keep).await?;
            Ok(bytes)
        };
        self.work(generate).await
    }

    /// Resolves to the bytes of a checkpoint, from which this page and the native program go on.
    ///
    /// # Errors
    /// `DeviceLost`, `Busy`.
    pub async fn checkpoint(&self) -> Result<Vec<u8>, Failure> {
        self.work(async |trainer| trainer.checkpoint().await?.to_bytes()).await
    }

    /// Steps done.
    #[wasm_bindgen(getter)]
    pub fn step(&self) -> u32 {
        self.step.get()
    }

    /// Steps of the whole run.
    #[wasm_bindgen(getter)]
    pub fn steps(&self) -> u32 {
        self.steps
    }
}

/// A sample is held in memory.
const MOST_BYTES: f64 = 1e6;

impl Run {
    fn around(gpu: Gpu, trainer: Trainer) -> Self {
        let (step, steps) = (Cell::new(trainer.step()), trainer.config().steps);
        Self { gpu, steps, step, trainer: Cell::new(Some(trainer)) }
    }

    /// Works with the trainer, which no other call has meanwhile.
    async fn work<T>(&self, work: impl AsyncFnOnce(&mut Trainer) -> aft_wgpu::Result<T>) -> Result<T, Failure> {
        let mut trainer = self.trainer.take().ok_or_else(Failure::busy)?;
        let result = work(&mut trainer).await;
        self.step.set(trainer.step());
        self.trainer.set(Some(trainer));
        Ok(result?)
    }
}

fn corpus() -> Result<Corpus, Failure> {
    Ok(Corpus::shakespeare().map_err(aft_wgpu::Error::from)?)
}
