//! The paper's models.

pub(crate) mod feed;
mod file;
pub mod language;
