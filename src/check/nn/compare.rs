//! Comparison of an output with the reference by one tolerance for all of its elements.

use crate::check::judge::Verdict;
use crate::random::below;
use crate::reference::compare::widen;

/// The rounding of an f32 near 1, times 2.
pub(crate) const EPS: f64 = f32::EPSILON as f64;

/// The name of a case, and the verdicts on its outputs.
pub(super) type Case = (String, Vec<Verdict>);

/// The verdict on an output whose elements have one tolerance.
pub(crate) fn verdict(output: &'static str, got: &[f32], truth: &[f64], tolerance: f64) -> Verdict {
    Verdict::of(output, got, truth, largest(truth), |_| tolerance)
}

/// The same numbers in f64.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    widen(values)
}

/// The largest magnitude.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// `len` numbers below `bound`.
pub(crate) fn whole(stream: u32, len: usize, bound: u32) -> Vec<u32> {
    (0..len).map(|i| below([stream, 0x7768_6f6c, i as u32, 0], bound.into()) as u32).collect()
}
