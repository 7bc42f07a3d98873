//! Estimated work, and its limit for one submission.

/// Estimated work of a dispatch; it bounds submissions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes loaded and stored, if every value moves once.
    pub bytes: f64,
}

/// Most estimated work of a submission, in milliseconds. A Windows driver kills a submission after about two seconds.
pub(crate) const BUDGET_MS: f64 = 100.0;
