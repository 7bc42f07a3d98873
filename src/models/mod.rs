//! The paper's models.

mod file;
pub mod language;
