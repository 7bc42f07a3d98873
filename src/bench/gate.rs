//! The correctness gate: a result is right if its error is within its tolerance.

use super::result::Row;

pub(super) const PASS: &str = "pass";
pub(super) const FAIL: &str = "fail";

/// Whether an error, in units of its tolerance, is at most 1. NaN is not.
pub(super) fn is_right(error: f64) -> bool {
    error <= 1.0
}

/// Sets a row's gate from its error, in units of the tolerance.
pub(super) fn judge(row: &mut Row, error: f64) {
    row.gate = if is_right(error) { PASS } else { FAIL }.into();
    // JSON cannot represent infinity.
    row.error = Some(error).filter(|error| error.is_finite());
}

/// The larger of two errors; infinity if one is NaN.
pub(super) fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::INFINITY } else { a.max(b) }
}
