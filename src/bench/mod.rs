//! The benchmark: what an adapter reaches in plain kernels, and what ours reach of it.

pub mod crossing;
pub mod memory;
mod read;
pub mod report;
mod result;
pub mod series;
pub mod slope;

pub use read::read;
pub use result::{Adapter, Limit, Results, Row, SCHEMA, Skipped};
