//! Estimated work, and how much of it a submission may have.

/// Estimated work of a dispatch; submissions are bounded by it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes loaded and stored, if every value moved once.
    pub bytes: f64,
}

/// Estimated work of a submission, in milliseconds. A Windows driver kills one at about two seconds.
pub(crate) const BUDGET_MS: f64 = 100.0;
