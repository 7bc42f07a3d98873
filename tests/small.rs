//! A small model and a short run of it, for tests that need one.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use aft_wgpu::data::{MemoryText, Text};
use aft_wgpu::gpu::{AdapterClass, Gpu};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::{TrainConfig, Trainer};
use pollster::block_on;

pub fn text() -> Arc<dyn Text> {
    Arc::new(MemoryText::new("the quick brown fox jumps over the lazy dog.\n".repeat(60)))
}

pub fn small() -> LanguageConfig {
    let demo = LanguageConfig::for_adapter(AdapterClass::Software);
    LanguageConfig { layers: 2, dim: 16, length: 24, window: 5, rank: 3, ..demo }
}

pub fn settings() -> TrainConfig {
    TrainConfig { batch: 3, steps: 64, warmup: 4, ..TrainConfig::for_adapter(AdapterClass::Software) }
}

pub fn trainer(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig) -> Trainer {
    trainer_on(gpu, model, config, text())
}

pub fn trainer_on(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, text: Arc<dyn Text>) -> Trainer {
    block_on(Trainer::new(gpu, model, config, text)).unwrap()
}
