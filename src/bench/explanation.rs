//! Result types of the analysis of a case.

use super::gate::is_right;
use crate::gpu::Clock;

/// Analysis of one program.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The case and its direction as text.
    pub case: String,
    /// The kernel plan as text.
    pub plan: String,
    /// The largest error in units of its tolerance.
    pub error: f64,
    /// The clock that was used.
    pub clock: Clock,
    /// Kernels, slowest first; copies count as one. Empty if the result was wrong.
    pub kernels: Vec<Share>,
    /// Compute passes of the program.
    pub passes: usize,
    /// For a training step.
    pub step: Option<Step>,
}

impl Explanation {
    /// Analysis of a wrong result.
    pub(super) fn wrong(case: String, plan: String, error: f64) -> Self {
        Self { case, plan, error, clock: Clock::Wall, kernels: Vec::new(), passes: 0, step: None }
    }

    /// Whether the result was right.
    pub fn is_right(&self) -> bool {
        is_right(self.error)
    }
}

/// One kernel's share of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Stem and entry point, or "copy".
    pub label: String,
    /// Dispatches, or copies.
    pub count: usize,
    /// Estimated operations of all dispatches.
    pub flops: f64,
    /// Estimated bytes loaded and stored by all dispatches, if every value moves once.
    pub bytes: f64,
    /// Milliseconds of all dispatches, each alone in a pass: the median of several runs.
    pub ms: f64,
}

/// Costs of a training step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Dispatches that each additional block adds.
    pub dispatches_of_a_block: usize,
    /// Passes that each additional block adds.
    pub passes_of_a_block: usize,
    /// Milliseconds in which the CPU records a step.
    pub encoding_ms: f64,
    /// Milliseconds of a step by the host's clock.
    pub step_ms: f64,
}
