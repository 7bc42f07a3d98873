//! Texts for byte-level language models: the embedded default text, loaders for files of any size, windows for batches, and two
//! baselines (a byte bigram model and a word list).
//!
//! This module does not depend on models or GPUs. A token is a byte; a batch is two arrays of `u32`.
//!
//! ```
//! use aft_wgpu::data::{Bigram, MemoryText, Windows};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), aft_wgpu::data::DataError> {
//! let text = Arc::new(MemoryText::new("to be, or not to be: ".repeat(50)));
//! let batch = Windows::new(text.clone(), 16, "the quote")?.random(/* seed */ 0, /* step */ 0, /* batch */ 4)?;
//! assert_eq!(batch.tokens.len(), 4 * 16);
//! assert!(Bigram::fit(text.as_ref())?.bits_per_byte(text.as_ref())? < 2.0);
//! # Ok(())
//! # }
//! ```

mod bigram;
mod corpus;
mod error;
#[cfg(not(target_arch = "wasm32"))]
mod files;
mod mark;
#[cfg(feature = "data")]
mod shakespeare;
mod text;
mod windows;
mod words;

pub use bigram::Bigram;
pub use corpus::Corpus;
pub use error::DataError;
#[cfg(not(target_arch = "wasm32"))]
pub use files::FileText;
pub use mark::TextMark;
pub use text::{MemoryText, Part, Text};
pub use windows::{Batch, IGNORED, Windows};
pub use words::Words;
