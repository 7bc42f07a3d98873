//! Training: the loop, its settings, and evaluation.
//!
//! A thousand steps on the embedded plays, then the bits per byte on held-out text:
//!
//! ```no_run
//! use aft_wgpu::data::Corpus;
//! use aft_wgpu::gpu::{Gpu, GpuOptions};
//! use aft_wgpu::models::language::LanguageConfig;
//! use aft_wgpu::train::{TrainConfig, Trainer};
//!
//! # #[cfg(feature = "data")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gpu = Gpu::request_blocking(&GpuOptions::default())?;
//! let class = gpu.caps().adapter.class;
//! let text = Corpus::shakespeare()?;
//! let train = TrainConfig { steps: 1000, ..TrainConfig::for_adapter(class) };
//! pollster::block_on(async {
//!     let mut trainer = Trainer::new(&gpu, &LanguageConfig::for_adapter(class), &train, text.train).await?;
//!     trainer.advance(1000).await?;
//!     println!("{:.3} bits per byte", trainer.evaluate(&text.valid, None).await?);
//!     std::fs::write("checkpoint.safetensors", trainer.checkpoint().await?.to_bytes()?)?;
//!     Ok(())
//! })
//! # }
//! # #[cfg(not(feature = "data"))]
//! # fn main() {}
//! ```
//!
//! [`Trainer::resume`] goes on from such a checkpoint.

mod checkpoint;
mod config;
mod evaluate;
mod plan;
mod step;
mod trainer;

pub use checkpoint::Checkpoint;
pub use config::{Extended, TrainConfig};
pub use evaluate::Evaluator;
pub use plan::Plan;
pub use trainer::Trainer;

/// Converts nats per byte to bits per byte.
pub fn bits(nats: f64) -> f64 {
    nats / std::f64::consts::LN_2
}

// `data` and `ops` do not depend on each other, but must use the same value.
const _: () = assert!(crate::data::IGNORED == crate::ops::nn::batch::IGNORED);
