//! The Attention Free Transformer on any GPU.
#[cfg(feature = "data")]
pub mod data;
mod error;
pub mod gpu;
pub mod ops;
pub mod random;
pub mod reference;

pub use error::{Error, Result};
pub use wgpu;
