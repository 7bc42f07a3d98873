//! Whether a device computes AFT as it should: every kernel against its reference, in units of a tolerance that is made from the
//! adapter's own exponential.

pub(crate) mod around;
mod attention;
pub(crate) mod cases;
mod exp;
mod forms;
mod judge;
mod report;
mod sizes;
mod streams;
pub(crate) mod workbench;

pub(crate) use exp::catalogue;

pub use attention::{AttentionOutcome, AttentionProblem};
pub use cases::{VALUES, Values, forms, masked, problem, with};
pub use exp::{ExpError, Exponential};
pub use judge::{Verdict, judge};
pub use report::{Line, Plain, Report, check};
