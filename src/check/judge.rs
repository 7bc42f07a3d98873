//! Compares a result with the reference, in units of the tolerance.

use super::exp::ExpError;
use super::sizes::Sizes;
use crate::apply::{Outcome, Problem};
use crate::reference::compare::worst;

/// Error of one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// y, dq, dk, dv or dw; for factors dw_u or dw_v.
    pub output: &'static str,
    /// The largest error in units of its tolerance; infinite if anything is not finite.
    pub ratio: f64,
    /// The largest error relative to the largest sum of magnitudes in an element.
    pub relative: f64,
}

/// Terms in one block of a sum.
const BLOCK: f64 = 256.0;

/// Allowed relative error of a sum: rounding of sums of [`BLOCK`] terms, of K + w and of its exponential, plus the error of the
/// adapter's exp.
fn allowed(exponent: f64, exp: ExpError) -> f64 {
    f64::from(f32::EPSILON) * (32.0 + exponent + BLOCK / 4.0) + 2.0 * exp.excused().at(exponent)
}

impl Verdict {
    /// Compares an output with the reference, whose magnitude is `size`. `tolerance(i)` is the allowed absolute error of element
    /// i.
    pub fn of(output: &'static str, got: &[f32], truth: &[f64], size: f64, tolerance: impl Fn(usize) -> f64) -> Self {
        let error = got.iter().zip(truth).fold(0.0f64, |m, (got, truth)| m.max((f64::from(*got) - truth).abs()));
        let finite = got.len() == truth.len() && got.iter().all(|v| v.is_finite());
        let ratio = if finite { worst(got, truth, tolerance).ratio } else { f64::INFINITY };
        Self { output, ratio, relative: if size > 0.0 { error / size } else { error } }
    }
}

/// Compares all outputs of a problem with the reference.
pub fn judge(problem: &Problem, truth: &Outcome<f64>, outcome: &Outcome<f32>, exp: ExpError) -> Vec<Verdict> {
    let sizes = Sizes::of(problem, truth);
    let (unit, floor) = (allowed(sizes.exponent, exp), sizes.floor);
    let verdict = |output, got: &[f32], truth: &[f64], sizes: &[f64]| {
        let size = sizes.iter().fold(0.0f64, |m, size| m.max(*size));
        Verdict::of(output, got, truth, size, |i| unit * sizes[i] + floor)
    };
    let mut verdicts = vec![verdict("y", &outcome.y, &truth.y, &sizes.y)];
    if let (Some(got), Some(truth)) = (&outcome.gradients, &truth.gradients) {
        verdicts.push(verdict("dq", &got.dq, &truth.dq, &sizes.dq));
        verdicts.push(verdict("dk", &got.dk, &truth.dk, &sizes.dk));
        verdicts.push(verdict("dv", &got.dv, &truth.dv, &sizes.dv));
        let names = if problem.rank().is_some() { ["dw_u", "dw_v"] } else { ["dw", ""] };
        for (i, name) in names.into_iter().enumerate().filter(|&(i, _)| !truth.dw[i].is_empty()) {
            verdicts.push(verdict(name, &got.dw[i], &truth.dw[i], &sizes.dw[i]));
        }
    }
    verdicts
}
