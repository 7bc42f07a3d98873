//! AFT-local (Eq. 4) as in a language model: causal, without a mask.
//!
//! ```text
//! y_t = sigmoid(q_t) * sum over t' <= t of e^(k_t' + w_tt') v_t' / sum over t' <= t of e^(k_t' + w_tt')
//! w_tt' = band[t, t' - t + s - 1] where t - s < t', else 0
//! ```
//!
//! The bias outside the window is 0, not minus infinity: every earlier key counts. [`super::band`] gives the layout of
//! the band; entries before the sequence are not read. A window of 0 is AFT-simple; a window of T or more is AFT-full.
//! Other forms are [`mix`] with a [`Band`].
pub use super::Forward;
use super::{Inputs, band::Band, mix};
use crate::reference::Dims;

/// Gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of q `[B, T, D]`; zero without q.
    pub dq: Vec<f64>,
    /// Of the keys `[B, T, D]`.
    pub dk: Vec<f64>,
    /// Of the values `[B, T, D]`.
    pub dv: Vec<f64>,
    /// Of the band `[T, s]`, summed over batch and channels; 0 in unused entries.
    pub dband: Vec<f64>,
}

/// Mixes `v` over time. q, k, v are `[B, T, D]`, `band` is `[T, s]` with s = `window`; without `q` the gate is 1.
pub fn forward(dims: Dims, window: usize, q: Option<&[f64]>, k: &[f64], v: &[f64], band: &[f64]) -> Forward {
    mix::forward(&Inputs::new(dims, true, q, k, v), &Band { t: dims.t, window, causal: true }, band)
}

/// The gradient of [`forward`] for `dy`, the gradient of y `[B, T, D]`.
pub fn gradient(
    dims: Dims,
    window: usize,
    q: Option<&[f64]>,
    k: &[f64],
    v: &[f64],
    band: &[f64],
    dy: &[f64],
) -> Gradient {
    let inputs = Inputs::new(dims, true, q, k, v);
    let super::Gradient { dq, dk, dv, dw } =
        mix::gradient(&inputs, &Band { t: dims.t, window, causal: true }, band, dy);
    Gradient { dq, dk, dv, dband: dw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{
        aft::simple,
        differences::{assert_close, assert_gradient, dot, normal},
    };

    const DIMS: Dims = Dims { b: 2, t: 7, d: 3 };
    /// No window, the diagonal, a part, the whole sequence, and more.
    const WINDOWS: [usize; 5] = [0, 1, 3, 7, 9];

    fn inputs() -> [Vec<f64>; 4] {
        [1, 2, 3, 4].map(|stream| normal(stream, DIMS.size()))
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let [q, k, v, dy] = inputs();
        for (s, q) in WINDOWS.into_iter().flat_map(|s| [(s, Some(&q[..])), (s, None)]) {
            let band = normal(5, DIMS.t * s);
            let loss = |q: Option<&[f64]>, k: &[f64], v: &[f64], w: &[f64]| dot(&forward(DIMS, s, q, k, v, w).y, &dy);
            let grad = gradient(DIMS, s, q, &k, &v, &band, &dy);
            assert_gradient("dk", &grad.dk, &k, |k| loss(q, k, &v, &band));
            assert_gradient("dv", &grad.dv, &v, |v| loss(q, &k, v, &band));
            if s > 0 {
                assert_gradient("dband", &grad.dband, &band, |w| loss(q, &k, &v, w));
            }
            match q {
                Some(q) => assert_gradient("dq", &grad.dq, q, |q| loss(Some(q), &k, &v, &band)),
                None => assert_eq!(grad.dq, vec![0.0; DIMS.size()]),
            }
        }
    }

    #[test]
    fn without_a_bias_it_is_simple() {
        let [q, k, v, dy] = inputs();
        let simple_out = simple::forward(DIMS, true, Some(&q), &k, &v);
        let simple_grad = simple::gradient(DIMS, true, Some(&q), &k, &v, &dy);
        for s in WINDOWS {
            let band = vec![0.0; DIMS.t * s];
            assert_eq!(forward(DIMS, s, Some(&q), &k, &v, &band), simple_out);
            let grad = gradient(DIMS, s, Some(&q), &k, &v, &band, &dy);
            assert_close("dq", &grad.dq, &simple_grad.dq, 1e-14);
            assert_close("dk", &grad.dk, &simple_grad.dk, 1e-14);
            assert_close("dv", &grad.dv, &simple_grad.dv, 1e-14);
        }
    }

    /// For dk, the scans of AFT-simple subtract two sums; the pairs here do not.
    #[test]
    fn values_far_from_zero_agree_with_the_scans_of_simple() {
        let [q, k, v, dy] = inputs();
        let v: Vec<_> = v.iter().map(|v| v + 1e3).collect();
        let simple = simple::gradient(DIMS, true, Some(&q), &k, &v, &dy);
        let grad = gradient(DIMS, 0, Some(&q), &k, &v, &[], &dy);
        // The cancelling terms are 1e3 times the result, and so is the rounding.
        assert_close("dk", &simple.dk, &grad.dk, 1e-12);
        assert_close("dv", &simple.dv, &grad.dv, 1e-14);
    }

    #[test]
    fn a_bias_of_the_whole_row_changes_nothing_but_log_den() {
        let [q, k, v, dy] = inputs();
        let s = DIMS.t;
        let band = normal(5, DIMS.t * s);
        // Row t is offset by 1000 t: the maximum must be taken per row, not per key.
        let shifted: Vec<_> = band.iter().enumerate().map(|(e, w)| w + (e / s) as f64 * 1000.0).collect();
        let (there, here) = (forward(DIMS, s, Some(&q), &k, &v, &shifted), forward(DIMS, s, Some(&q), &k, &v, &band));
        // The sum w + 6000 is rounded to 1e-12.
        assert_close("y", &there.y, &here.y, 1e-11);
        for (i, (there, here)) in there.log_den.iter().zip(&here.log_den).enumerate() {
            let offset = (i / DIMS.d % DIMS.t) as f64 * 1000.0;
            assert!((there - offset - here).abs() < 1e-11);
        }
        let (there, here) =
            (gradient(DIMS, s, Some(&q), &k, &v, &shifted, &dy), gradient(DIMS, s, Some(&q), &k, &v, &band, &dy));
        assert_close("dk", &there.dk, &here.dk, 1e-11);
        assert_close("dband", &there.dband, &here.dband, 1e-11);
    }

    /// With separate maxima of k and w both sums would underflow to 0/0.
    #[test]
    fn regression_keys_and_biases_of_ten_thousand_that_cancel() {
        let dims = Dims { b: 1, t: 3, d: 1 };
        let k = [1e4, 0.0, -1e4];
        let band = [[0.0, 0.0, -1e4], [0.0, -1e4, 0.0], [-1e4, 0.0, 1e4]].concat();
        let out = forward(dims, 3, None, &k, &[1.0, 2.0, 6.0], &band);
        assert_eq!(out.y, [1.0, 1.5, 3.0]);
        let grad = gradient(dims, 3, None, &k, &[1.0, 2.0, 6.0], &band, &[0.0, 0.0, 3.0]);
        assert_close("dv", &grad.dv, &[1.0, 1.0, 1.0], 1e-15);
        assert_close("dk", &grad.dk, &[-2.0, -1.0, 3.0], 1e-15);
        assert_eq!(grad.dband[6..], grad.dk[..]);
    }

    /// The window holds s keys, t - s < t' <= t. With these suppressed, y is the mean of the keys up to t - s. One key
    /// more or fewer, or a bias of minus infinity outside, gives another mean.
    #[test]
    fn regression_the_window_is_not_off_by_one_and_older_keys_count() {
        let dims = Dims { b: 1, t: 6, d: 1 };
        let v = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        for s in 1..6 {
            let out = forward(dims, s, None, &[0.0; 6], &v, &vec![-1e4; 6 * s]);
            for t in s..6 {
                let old = &v[..=t - s];
                assert_eq!(out.y[t], old.iter().sum::<f64>() / old.len() as f64, "s = {s}, t = {t}");
            }
        }
    }

    /// A bias that multiplies the keys, instead of adding to them, has no effect on zero keys.
    #[test]
    fn regression_the_bias_is_added() {
        let dims = Dims { b: 1, t: 2, d: 1 };
        let w = 3.0_f64.ln();
        let out = forward(dims, 2, None, &[0.0; 2], &[0.0, 4.0], &[0.0, 0.0, 0.0, w]);
        assert!((out.y[1] - 3.0).abs() < 1e-15);
    }

    #[test]
    fn regression_the_future_does_not_change_the_past() {
        let [q, mut k, mut v, _] = inputs();
        let band = normal(5, DIMS.t * 3);
        let before = forward(DIMS, 3, Some(&q), &k, &v, &band);
        let last = DIMS.at(0, DIMS.t - 1, 0);
        k[last] = 1e4;
        v[last] = 1e18;
        let after = forward(DIMS, 3, Some(&q), &k, &v, &band);
        assert_eq!(before.y[..last], after.y[..last]);
        assert_ne!(before.y[last], after.y[last]);
    }

    #[test]
    fn entries_before_the_sequence_are_not_read() {
        let [_, k, v, dy] = inputs();
        let (s, mut band) = (3, normal(5, DIMS.t * 3));
        let (y, dband) = (forward(DIMS, s, None, &k, &v, &band).y, gradient(DIMS, s, None, &k, &v, &band, &dy).dband);
        for unused in [0, 1, 3] {
            assert_eq!(dband[unused], 0.0);
            band[unused] = f64::NAN;
        }
        assert_eq!(forward(DIMS, s, None, &k, &v, &band).y, y);
        assert_eq!(gradient(DIMS, s, None, &k, &v, &band, &dy).dband, dband);
    }
}
