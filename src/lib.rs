//! The Attention Free Transformer on any GPU.
#[cfg(feature = "data")]
pub mod data;
pub mod random;
pub mod reference;
