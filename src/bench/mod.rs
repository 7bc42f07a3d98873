//! The benchmark: the ceilings of an adapter in plain kernels, and what share of them our kernels reach.
//!
//! In reading order: [`Results`] is what comes out, [`BenchOptions`] what is asked for. To measure, `roofline` has the ceilings;
//! `clock` measures time, `pair` times cases in turns with their ceilings, and `hosted` what the host runs itself; `operand` and
//! `sampled` are what a case in `cases` runs on and is checked by; [`run()`] does it all, and [`explain()`] takes a case apart. To read,
//! [`read()`] takes a file, [`series`], [`slope`], [`crossing`] and [`memory`] compare its rows, and [`report`] writes it down.
//!
//! How times in a file of results grow with T:
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
