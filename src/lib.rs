//! The Attention Free Transformer on any GPU.
pub mod data;
mod error;
pub mod generate;
pub mod gpu;
pub mod models;
pub mod nn;
pub mod ops;
pub mod random;
pub mod reference;
pub mod train;

pub use error::{Error, Result};
pub use wgpu;
