//! Text generation with streaming state: with AFT, a token costs the same at any position.
//!
//! A prompt is read in chunks. Then each pass reads the last token and draws the next one on the device. Passes are
//! recorded some tokens ahead, and the host reads tokens back while later ones are made.
//!
//! ```no_run
//! use aft_wgpu::generate::{Generator, Sampling};
//! use aft_wgpu::gpu::{Gpu, GpuOptions};
//! use aft_wgpu::models::language::Language;
//! use std::ops::ControlFlow;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gpu = Gpu::request_blocking(&GpuOptions::default())?;
//! let file = std::fs::read("runs/text-001/model.safetensors")?;
//! pollster::block_on(async {
//!     let model = Language::load(&gpu, &file, 1).await?;
//!     let mut generator = Generator::new(&gpu, &model, 1).await?;
//!     generator.read(b"To be, ").await?;
//!     let sampling = Sampling { temperature: 0.7, top_p: 0.95, ..Sampling::default() };
//!     generator.generate(100, &sampling, |bytes| {
//!         print!("{}", char::from(bytes[0]));
//!         ControlFlow::Continue(())
//!     }).await
//! })?;
//! # Ok(())
//! # }
//! ```

mod generator;
mod place;
mod sampling;
mod state;

pub use generator::Generator;
pub use sampling::Sampling;
pub use state::StreamState;
