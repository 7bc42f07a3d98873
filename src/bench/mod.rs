//! The benchmark: what an adapter reaches in plain kernels, and what ours reach of it.

mod result;

pub use result::{Adapter, Limit, Results, Row, SCHEMA, Skipped};
