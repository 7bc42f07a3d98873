//! The benchmark: measures an adapter's ceilings with plain kernels, and the percentage of them that our kernels reach.
//!
//! In reading order: [`Results`] is the output, [`BenchOptions`] the input. Measuring: `roofline` has the ceilings; `clock`
//! measures time; `pair` times cases in turns with their ceilings; `hosted` times work that the host drives; `operand` and
//! `sampled` provide operands and checks for the cases in `cases`; [`run()`] runs everything; [`explain()`] analyses a case.
//! Reading: [`read()`] parses a file; [`series`], [`slope`], [`crossing`] and [`memory`] compare its rows; [`report`] prints
//! them.
//!
//! Example: how times in a results file grow with T.
//!
//! ```no_run
//! use aft_wgpu::bench::{read, series::series, slope::slope};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let results = read("mine.json", &std::fs::read("mine.json")?)?;
//! for series in series(&results) {
//!     if let Some(slope) = slope(&series.times()) {
//!         println!("{}, {}: T^{:.2}", series.key.name(), series.key.direction, slope.exponent);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod cases;
mod clock;
pub mod crossing;
mod describe;
mod explain;
mod explanation;
mod gate;
mod hosted;
mod measure;
pub mod memory;
mod operand;
mod options;
mod pair;
mod prepared;
mod profile;
mod read;
pub mod report;
mod result;
mod roofline;
mod run;
mod sampled;
pub mod series;
pub mod slope;

pub use explain::explain;
pub use explanation::{Explanation, Share, Step};
pub use options::{BenchOptions, Effort, Filter, Progress};
pub use read::read;
pub use result::{Adapter, Limit, Results, Row, SCHEMA, Skipped};
pub(crate) use roofline::{catalogue, half_precision};
pub use run::{COMMIT, run};
