//! Texts to train byte-level language models on: the embedded default, loaders for files of any size, the windows cut
//! from them, and two yardsticks for what a model has learnt (a byte bigram and a word list).
//!
//! Nothing here knows of models or GPUs; a token is a byte, and a batch is two arrays of `u32`.

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
