//! Comparison of f32 results with the f64 reference, with a tolerance per element.
use std::fmt;

/// Result of a comparison: the element with the largest error in units of its tolerance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Index of the worst element; the first of equals.
    pub index: usize,
    /// Computed value; NaN if `actual` is too short.
    pub actual: f32,
    /// True value; NaN if `expected` is too short.
    pub expected: f64,
    /// |actual - expected| / tolerance; infinite if either is not finite. Passes if at most 1.
    pub ratio: f64,
    /// Index of the first element out of tolerance.
    pub first_bad: Option<usize>,
    /// Number of elements out of tolerance.
    pub bad: usize,
    /// Number of elements compared.
    pub count: usize,
}

impl Worst {
    /// Whether every element is finite and within its tolerance.
    pub fn passes(&self) -> bool {
        self.bad == 0
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, actual, expected, ratio, first_bad, bad, count } = self;
        if *count == 0 {
            return write!(f, "nothing compared");
        }
        write!(
            f,
            "worst of {count} elements is {index}: {actual:e}, expected {expected:e}, {ratio:.3} of its tolerance"
        )?;
        match first_bad {
            Some(first) => write!(f, "; {bad} out of tolerance, the first at {first}"),
            None => Ok(()),
        }
    }
}

/// Compares `actual` with `expected`; `tolerance(i)` is the allowed absolute error of element i.
///
/// Slices of different lengths do not pass: missing elements count as not finite.
pub fn worst(actual: &[f32], expected: &[f64], tolerance: impl Fn(usize) -> f64) -> Worst {
    let count = actual.len().max(expected.len());
    let mut worst =
        Worst { index: 0, actual: f32::NAN, expected: f64::NAN, ratio: -1.0, first_bad: None, bad: 0, count };
    for i in 0..count {
        let a = actual.get(i).copied().unwrap_or(f32::NAN);
        let e = expected.get(i).copied().unwrap_or(f64::NAN);
        let ratio = ratio(a, e, tolerance(i));
        if ratio > 1.0 {
            worst.bad += 1;
            worst.first_bad.get_or_insert(i);
        }
        if ratio > worst.ratio {
            worst = Worst { index: i, actual: a, expected: e, ratio, ..worst };
        }
    }
    worst.ratio = worst.ratio.max(0.0);
    worst
}

/// The error in units of the tolerance; a tolerance of 0 requires equality.
fn ratio(actual: f32, expected: f64, tolerance: f64) -> f64 {
    let error = (f64::from(actual) - expected).abs();
    if error == 0.0 {
        return 0.0;
    }
    let ratio = error / tolerance;
    // NaN in the element or the tolerance, and a negative tolerance, all fail.
    if ratio >= 0.0 { ratio } else { f64::INFINITY }
}

/// Converts f32 inputs to f64 for the reference.
pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_element_is_found_by_its_own_tolerance() {
        let tolerances = [0.5, 10.0, 0.1];
        let w = worst(&[1.6, 9.0, 1.2], &[1.0, 1.0, 1.0], |i| tolerances[i]);
        assert_eq!((w.index, w.first_bad, w.bad), (2, Some(0), 2));
        assert!((w.ratio - 2.0).abs() < 1e-6 && !w.passes());
        assert_eq!(
            w.to_string(),
            "worst of 3 elements is 2: 1.2e0, expected 1e0, 2.000 of its tolerance; 2 out of tolerance, the first at 0"
        );
    }

    #[test]
    fn equal_is_within_every_tolerance() {
        assert!(worst(&[1.0, 0.0], &[1.0, -0.0], |_| 0.0).passes());
        assert!(!worst(&[1.0], &[1.0 + 1e-12], |_| 0.0).passes());
        assert_eq!(worst(&[], &[], |_| 0.0).to_string(), "nothing compared");
    }

    #[test]
    fn what_is_not_finite_never_passes() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let w = worst(&[0.0, bad], &[0.0, 0.0], |_| f64::MAX);
            assert_eq!((w.index, w.first_bad, w.ratio), (1, Some(1), f64::INFINITY), "{bad}");
        }
        assert!(!worst(&[0.0], &[f64::NAN], |_| 1.0).passes());
        assert!(!worst(&[f32::INFINITY], &[f64::INFINITY], |_| 1.0).passes());
        assert!(!worst(&[1.0], &[0.0], |_| f64::NAN).passes());
        assert!(!worst(&[1.0], &[0.0], |_| -1.0).passes());
    }

    #[test]
    fn what_is_missing_never_passes() {
        assert_eq!(worst(&[0.0; 2], &[0.0; 3], |_| 1.0).first_bad, Some(2));
        assert_eq!(worst(&[0.0; 3], &[0.0; 2], |_| 1.0).first_bad, Some(2));
    }
}
