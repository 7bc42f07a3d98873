//! Checks whether a device computes AFT correctly: every kernel against its reference, with tolerances that include the error of
//! the adapter's own exponential.
//!
//! ```no_run
//! use aft_wgpu::check::{Exponential, check};
//! use aft_wgpu::gpu::{Gpu, GpuOptions};
//!
//! # fn main() -> aft_wgpu::Result<()> {
//! let gpu = Gpu::request_blocking(&GpuOptions::default())?;
//! let exp = pollster::block_on(Exponential::measure(&gpu))?;
//! let report = pollster::block_on(check(&gpu, exp, |line| println!("{}: {:.3} of its tolerance", line.name, line.ratio)))?;
//! println!("{}", if report.passed { "all within bounds" } else { "this driver computes AFT wrong" });
//! # Ok(())
//! # }
//! ```

mod attention;
pub(crate) mod cases;
mod exp;
mod forms;
mod judge;
mod line;
pub(crate) mod nn;
mod report;
mod sizes;
mod streams;
pub(crate) mod workbench;

pub(crate) use exp::catalogue;

pub use attention::{AttentionOutcome, AttentionProblem};
pub use cases::{VALUES, Values, forms, masked, problem, with};
pub use exp::{ExpError, Exponential};
pub use judge::{Verdict, judge};
pub use line::{Line, Plain};
pub use report::{Report, check};
