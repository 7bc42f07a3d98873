//! Compares an output with the reference, with one tolerance for all elements.

use crate::check::judge::Verdict;
use crate::random::below;
use crate::reference::compare::widen;

/// Spacing of f32 numbers near 1: twice the rounding error.
pub(crate) const EPS: f64 = f32::EPSILON as f64;

/// The name of a case and the verdicts of its outputs.
pub(super) type Case = (String, Vec<Verdict>);

/// The verdict of an output with one tolerance for all elements.
pub(crate) fn verdict(output: &'static str, got: &[f32], truth: &[f64], tolerance: f64) -> Verdict {
    Verdict::of(output, got, truth, largest(truth), |_| tolerance)
}

/// Converts to f64.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    widen(values)
}

/// The largest magnitude.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// `len` integers below `bound`.
pub(crate) fn whole(stream: u32, len: usize, bound: u32) -> Vec<u32> {
    (0..len).map(|i| below([stream, 0x7768_6f6c, i as u32, 0], bound.into()) as u32).collect()
}
