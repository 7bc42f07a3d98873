//! The paper's models.

pub(crate) mod container;
pub(crate) mod feed;
pub(crate) mod file;
pub mod language;
pub mod stream;

pub use container::accept_edited;
