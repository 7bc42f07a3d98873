//! Central differences, which tests compare with every gradient of the reference.
use crate::random::normal_pair;

/// `count` standard normal numbers; each `stream` is an independent sequence.
pub fn normal(stream: u32, count: usize) -> Vec<f64> {
    (0..count).map(|i| normal_pair([i as u32, stream, 0, 0])[0]).collect()
}

/// The inner product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The gradient of a scalar function, by five-point central differences.
///
/// With a step of 1e-3, truncation (step^4 / 30 times the fifth derivative) and rounding (2^-53 / step times the value)
/// are both about 1e-13 for functions of order one.
pub fn central(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-3;
    let mut x = x.to_vec();
    let mut gradient = vec![0.0; x.len()];
    for i in 0..x.len() {
        let here = x[i];
        let mut at = |steps: f64| {
            x[i] = here + steps * STEP;
            f(&x)
        };
        gradient[i] = (at(-2.0) - 8.0 * at(-1.0) + 8.0 * at(1.0) - at(2.0)) / (12.0 * STEP);
        x[i] = here;
    }
    gradient
}

/// Asserts that `actual` equals `expected` within `tolerance` times the largest expected magnitude.
#[track_caller]
pub fn assert_close(name: &str, actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}: length");
    let largest = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= tolerance * largest, "{name}[{i}]: {a:e}, expected {e:e} (largest {largest:e})");
    }
}

/// Asserts that `analytic` is the gradient of `f` at `x`, within 1e-9 times its largest magnitude.
///
/// The differences are accurate to about 1e-11 (rounding of sums of a hundred terms); a wrong term is off by far more.
#[track_caller]
pub fn assert_gradient(name: &str, analytic: &[f64], x: &[f64], f: impl Fn(&[f64]) -> f64) {
    let expected = central(x, f);
    assert!(expected.iter().any(|e| e.abs() > 1e-3), "{name}: the differences vanish, so the check proves nothing");
    assert_close(name, analytic, &expected, 1e-9);
}
