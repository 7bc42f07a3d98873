//! What a case taken apart consists of.

use super::gate::is_right;
use crate::gpu::Clock;

/// One program, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The case and its direction, in words.
    pub case: String,
    /// By which plan it runs.
    pub plan: String,
    /// The largest error in units of its tolerance.
    pub error: f64,
    /// What time was measured with.
    pub clock: Clock,
    /// Kernels, those that take longest first; copies count as one. None if the result was wrong: it gets no time.
    pub kernels: Vec<Share>,
    /// Compute passes of the program.
    pub passes: usize,
    /// Of a step of training.
    pub step: Option<Step>,
}

impl Explanation {
    /// Of a result that is wrong.
    pub(super) fn wrong(case: String, plan: String, error: f64) -> Self {
        Self { case, plan, error, clock: Clock::Wall, kernels: Vec::new(), passes: 0, step: None }
    }

    /// Whether the result was right.
    pub fn is_right(&self) -> bool {
        is_right(self.error)
    }
}

/// What a kernel is of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Stem and entry point, or "copy".
    pub label: String,
    /// Dispatches, or copies.
    pub count: usize,
    /// Estimated operations of all of them.
    pub flops: f64,
    /// Estimated bytes that they load and store, if every value moves once.
    pub bytes: f64,
    /// Milliseconds of all of them, each alone in a pass: the median over some runs.
    pub ms: f64,
}

/// What a step of training is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Dispatches that one more block adds.
    pub dispatches_of_a_block: usize,
    /// Passes that one more block adds.
    pub passes_of_a_block: usize,
    /// Milliseconds in which the CPU records a step.
    pub encoding_ms: f64,
    /// Milliseconds of a step by the host's clock.
    pub step_ms: f64,
}
