//! Whether a device computes AFT as it should: problems of every form, judged by the reference in units of a tolerance.

mod cases;
mod judge;
mod sizes;

pub use cases::{VALUES, Values, forms, masked, problem, with};
pub use judge::{ExpError, Verdict, judge};
