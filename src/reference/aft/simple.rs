//! AFT-simple, causal or not (Eq. 5; if causal, the sums end at t' = t), without a mask.
//!
//! ```text
//! y_t = sigmoid(q_t) * sum over t' of e^(k_t') v_t' / sum over t' of e^(k_t')
//! ```
//!
//! Both passes are scans over time, so the cost is linear in T. For a mask use [`mix`] with [`NoBias`].
pub use super::Forward;
use super::{Inputs, Layout, mix};
use crate::reference::Dims;

/// The layout without a bias.
#[derive(Clone, Copy, Debug)]
pub struct NoBias;

impl Layout for NoBias {
    fn size(&self) -> usize {
        0
    }

    fn reach(&self) -> (usize, usize) {
        (0, 0)
    }

    fn entry(&self, _head: usize, _t: usize, _key: usize) -> Option<usize> {
        None
    }

    fn head(&self, _entry: usize) -> Option<usize> {
        None
    }

    fn key(&self, _entry: usize, _t: usize) -> Option<usize> {
        None
    }
}

/// Gradients, each `[B, T, D]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of q; zero without q.
    pub dq: Vec<f64>,
    /// Of the keys.
    pub dk: Vec<f64>,
    /// Of the values.
    pub dv: Vec<f64>,
}

/// Mixes `v` over time. All slices are `[B, T, D]`; without `q` the gate is 1.
pub fn forward(dims: Dims, causal: bool, q: Option<&[f64]>, k: &[f64], v: &[f64]) -> Forward {
    mix::forward(&Inputs::new(dims, causal, q, k, v), &NoBias, &[])
}

/// The gradient of [`forward`] for `dy`, the gradient of y `[B, T, D]`.
pub fn gradient(dims: Dims, causal: bool, q: Option<&[f64]>, k: &[f64], v: &[f64], dy: &[f64]) -> Gradient {
    let super::Gradient { dq, dk, dv, .. } = mix::gradient(&Inputs::new(dims, causal, q, k, v), &NoBias, &[], dy);
    Gradient { dq, dk, dv }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_close, assert_gradient, dot, normal};

    const DIMS: Dims = Dims { b: 2, t: 7, d: 3 };

    fn inputs() -> [Vec<f64>; 4] {
        [1, 2, 3, 4].map(|stream| normal(stream, DIMS.size()))
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let [q, k, v, dy] = inputs();
        for (causal, q) in [(true, Some(&q[..])), (false, Some(&q[..])), (true, None), (false, None)] {
            let loss = |q: Option<&[f64]>, k: &[f64], v: &[f64]| dot(&forward(DIMS, causal, q, k, v).y, &dy);
            let grad = gradient(DIMS, causal, q, &k, &v, &dy);
            assert_gradient("dk", &grad.dk, &k, |k| loss(q, k, &v));
            assert_gradient("dv", &grad.dv, &v, |v| loss(q, &k, v));
            match q {
                Some(q) => assert_gradient("dq", &grad.dq, q, |q| loss(Some(q), &k, &v)),
                None => assert_eq!(grad.dq, vec![0.0; DIMS.size()]),
            }
        }
    }

    #[test]
    fn the_rows_are_the_sums_of_the_paper() {
        let [q, k, v, _] = inputs();
        for causal in [true, false] {
            let out = forward(DIMS, causal, Some(&q), &k, &v);
            for (b, d) in DIMS.sequences() {
                for t in 0..DIMS.t {
                    let seen = 0..if causal { t + 1 } else { DIMS.t };
                    let (num, den) = seen
                        .map(|s| DIMS.at(b, s, d))
                        .fold((0.0, 0.0), |(num, den), j| (num + k[j].exp() * v[j], den + k[j].exp()));
                    let i = DIMS.at(b, t, d);
                    assert!((out.y[i] - num / den / (1.0 + (-q[i]).exp())).abs() < 1e-14);
                    assert!((out.log_den[i] - den.ln()).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn an_offset_of_the_keys_changes_nothing_but_log_den() {
        let [q, k, v, dy] = inputs();
        for (causal, offset) in [(true, 1e4), (true, -1e4), (false, 1e4), (false, -1e4)] {
            let shifted: Vec<_> = k.iter().map(|k| k + offset).collect();
            let pass =
                |k: &[f64]| (forward(DIMS, causal, Some(&q), k, &v), gradient(DIMS, causal, Some(&q), k, &v, &dy));
            let ((there, there_grad), (here, grad)) = (pass(&shifted), pass(&k));
            let back: Vec<_> = there.log_den.iter().map(|l| l - offset).collect();
            // The sum k + 1e4 is rounded to 1e-12.
            assert_close("y", &there.y, &here.y, 1e-11);
            assert_close("log_den", &back, &here.log_den, 1e-11);
            assert_close("dq", &there_grad.dq, &grad.dq, 1e-11);
            assert_close("dk", &there_grad.dk, &grad.dk, 1e-11);
            assert_close("dv", &there_grad.dv, &grad.dv, 1e-11);
        }
    }

    #[test]
    fn a_spread_of_twenty_thousand_nats_is_exact() {
        let dims = Dims { b: 1, t: 4, d: 1 };
        let (k, v, dy) = ([-1e4, 0.0, 1e4, 0.0], [1.0, 2.0, 3.0, 4.0], [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(forward(dims, true, None, &k, &v).y, [1.0, 2.0, 3.0, 3.0]);
        assert_eq!(forward(dims, false, None, &k, &v).y, [3.0; 4]);
        assert_eq!(gradient(dims, true, None, &k, &v, &dy).dv, [1.0, 10.0, 1100.0, 0.0]);
        assert_eq!(gradient(dims, false, None, &k, &v, &dy).dv, [0.0, 0.0, 1111.0, 0.0]);
        assert_eq!(gradient(dims, true, None, &k, &v, &dy).dk, [0.0; 4]);
    }

    /// Dividing e^k by its running sum before the outer sum, instead of after, gives 1.5 at the second position.
    #[test]
    fn regression_the_sum_is_normalised_after_it_is_accumulated() {
        let dims = Dims { b: 1, t: 2, d: 1 };
        assert_eq!(forward(dims, true, None, &[0.0, 0.0], &[1.0, 1.0]).y, [1.0, 1.0]);
    }

    /// softmax(k) * v without the sum over time gives (0.5, 1.5).
    #[test]
    fn regression_the_values_are_summed_over_time() {
        let dims = Dims { b: 1, t: 2, d: 1 };
        assert_eq!(forward(dims, false, None, &[0.0, 0.0], &[1.0, 3.0]).y, [2.0, 2.0]);
    }

    /// Sums over the batch instead of over time would mix the two sequences.
    #[test]
    fn regression_sequences_of_a_batch_do_not_mix() {
        let dims = Dims { b: 2, t: 2, d: 1 };
        assert_eq!(forward(dims, false, None, &[0.0; 4], &[1.0, 3.0, 10.0, 30.0]).y, [2.0, 2.0, 20.0, 20.0]);
    }

    /// A maximum over future keys gives 0/0, or changes the last bits of earlier rows.
    #[test]
    fn regression_the_future_does_not_change_the_past() {
        let [q, mut k, mut v, _] = inputs();
        let before = forward(DIMS, true, Some(&q), &k, &v);
        let last = DIMS.at(0, DIMS.t - 1, 0);
        k[last] = 1e4;
        v[last] = 1e18;
        let after = forward(DIMS, true, Some(&q), &k, &v);
        assert_eq!(before.y[..last], after.y[..last]);
        assert_ne!(before.y[last], after.y[last]);
    }
}
