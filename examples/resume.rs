//! A run that goes on where it was: each call trains some steps and leaves a checkpoint for the next call.
//!
//! `cargo run --release --example resume -- FILE [STEPS]`
//!
//! The model is the small one of the demo, whatever the adapter: the browser's page trains the same, so FILE may come from
//! it and go to it. Prints a line of JSON a step: its number, from 0, and its loss in nats per byte.

use std::path::Path;

use aft_wgpu::data::Corpus;
use aft_wgpu::gpu::{AdapterClass, Gpu, GpuOptions};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::{Checkpoint, TrainConfig, Trainer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: resume FILE [STEPS]")?;
    let steps = arguments.next().map_or(Ok(50), |steps| steps.parse())?;
    pollster::block_on(go_on(Path::new(&file), steps))
}

async fn go_on(file: &Path, steps: u32) -> Result<(), Box<dyn std::error::Error>> {
    let gpu = Gpu::request(&GpuOptions::default()).await?;
    let text = Corpus::shakespeare()?.train;
    let mut trainer = if file.exists() {
        let checkpoint = Checkpoint::from_bytes(&std::fs::read(file)?)?;
        Trainer::resume(&gpu, &checkpoint, text).await?
    } else {
        let demo = AdapterClass::Software;
        Trainer::new(&gpu, &LanguageConfig::for_adapter(demo), &TrainConfig::for_adapter(demo), text).await?
    };
    for record in trainer.advance(steps).await? {
        println!(r#"{{"step":{},"loss":{}}}"#, record.step, record.loss);
    }
    std::fs::write(file, trainer.checkpoint().await?.to_bytes()?)?;
    Ok(())
}
