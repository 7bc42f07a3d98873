//! Multi-head softmax attention (Vaswani et al., 2017, arXiv 1706.03762, Eq. 1 and section 3.2.2), without its projections.
//!
//! ```text
//! y_t = sum over t' of p_tt' v_t',  p_tt' = e^(s_tt' - L_t),  s_tt' = q_t k_t' / sqrt(D / H),  L_t = log sum over t' of e^s_tt'
//! dv_t' = sum over t of p_tt' dy_t,  g_tt' = p_tt' (dy_t v_t' - dy_t y_t) / sqrt(D / H)
//! dq_t = sum over t' of g_tt' k_t',  dk_t' = sum over t of g_tt' q_t
//! ```
//!
//! All of it is per head: channel c belongs to head c / (D / H). If causal, sums over t' end at t. Masked keys are left
//! out.
use crate::reference::Dims;

/// Shape and masking of attention.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// The shape of q, k, v and y.
    pub dims: Dims,
    /// Heads, H, a divisor of D.
    pub heads: usize,
    /// Whether a row sees only keys up to its own position.
    pub causal: bool,
    /// Whether each key counts `[B, T]`; a row without keys gives y = 0.
    pub mask: Option<&'a [bool]>,
}

/// Output y and log-sum-exp L.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `[B, T, D]`.
    pub y: Vec<f64>,
    /// L `[B, T, H]`; negative infinity for a row without keys.
    pub log_den: Vec<f64>,
}

/// Gradients, all `[B, T, D]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the queries.
    pub dq: Vec<f64>,
    /// Of the keys.
    pub dk: Vec<f64>,
    /// Of the values.
    pub dv: Vec<f64>,
}

impl Attention<'_> {
    /// Channels of a head.
    pub fn head_channels(&self) -> usize {
        self.dims.d / self.heads
    }

    /// 1 / sqrt(D / H).
    pub fn scale(&self) -> f64 {
        (self.head_channels() as f64).sqrt().recip()
    }

    /// Whether row t of sequence b sees key `past`.
    pub fn sees(&self, b: usize, t: usize, past: usize) -> bool {
        (!self.causal || past <= t) && self.mask.is_none_or(|mask| mask[b * self.dims.t + past])
    }

    /// Every (b, h, t).
    pub fn rows(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let Self { dims, heads, .. } = *self;
        (0..dims.b).flat_map(move |b| (0..heads).flat_map(move |h| (0..dims.t).map(move |t| (b, h, t))))
    }

    /// The channels of head h at position t, as a range of a slice `[B, T, D]`.
    pub fn head(&self, b: usize, t: usize, h: usize) -> std::ops::Range<usize> {
        let first = self.dims.at(b, t, h * self.head_channels());
        first..first + self.head_channels()
    }

    /// p of row t over all keys.
    fn weights(&self, (b, h, t): (usize, usize, usize), q: &[f64], k: &[f64]) -> (Vec<f64>, f64) {
        let score = |past| self.scale() * dot(&q[self.head(b, t, h)], &k[self.head(b, past, h)]);
        let scores: Vec<Option<f64>> =
            (0..self.dims.t).map(|past| self.sees(b, t, past).then(|| score(past))).collect();
        let top = scores.iter().flatten().fold(f64::NEG_INFINITY, |m, s| m.max(*s));
        let sum: f64 = scores.iter().flatten().map(|s| (s - top).exp()).sum();
        (scores.iter().map(|s| s.map_or(0.0, |s| (s - top).exp() / sum)).collect(), top + sum.ln())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Attends; q, k and v are `[B, T, D]`.
pub fn forward(attention: &Attention<'_>, q: &[f64], k: &[f64], v: &[f64]) -> Forward {
    let Attention { dims, heads, .. } = *attention;
    debug_assert_eq!((q.len(), k.len(), v.len()), (dims.size(), dims.size(), dims.size()));
    let mut out = Forward { y: vec![0.0; dims.size()], log_den: vec![0.0; dims.b * dims.t * heads] };
    for row @ (b, h, t) in attention.rows() {
        let (p, log_den) = attention.weights(row, q, k);
        out.log_den[(b * dims.t + t) * heads + h] = log_den;
        for past in (0..dims.t).filter(|&past| attention.sees(b, t, past)) {
            for (y, v) in out.y[attention.head(b, t, h)].iter_mut().zip(&v[attention.head(b, past, h)]) {
                *y += p[past] * v;
            }
        }
    }
    out
}

/// The gradient of [`forward`] for `dy` `[B, T, D]`.
pub fn gradient(attention: &Attention<'_>, q: &[f64], k: &[f64], v: &[f64], dy: &[f64]) -> Gradient {
    let dims = attention.dims;
    debug_assert_eq!(dy.len(), dims.size());
    let y = forward(attention, q, k, v).y;
    let zeros = || vec![0.0; dims.size()];
    let mut out = Gradient { dq: zeros(), dk: zeros(), dv: zeros() };
    for row @ (b, h, t) in attention.rows() {
        let (p, _) = attention.weights(row, q, k);
        let here = attention.head(b, t, h);
        let delta = dot(&dy[here.clone()], &y[here.clone()]);
        for past in (0..dims.t).filter(|&past| attention.sees(b, t, past)) {
            let there = attention.head(b, past, h);
            let g = p[past] * (dot(&dy[here.clone()], &v[there.clone()]) - delta) * attention.scale();
            for (i, j) in here.clone().zip(there) {
                out.dv[j] += p[past] * dy[i];
                out.dk[j] += g * q[i];
                out.dq[i] += g * k[j];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_gradient, dot, normal};

    #[test]
    fn a_row_is_the_mean_of_the_values_of_its_own_head() {
        let dims = Dims { b: 1, t: 2, d: 2 };
        let attention = Attention { dims, heads: 2, causal: true, mask: None };
        // Head 0 has weights 1/4 and 3/4 at t = 1, head 1 has 1/2 and 1/2; at t = 0 there is one key.
        let q = [0.0, 0.0, 1.0, 1.0];
        let k = [0.0, 5.0, 3.0f64.ln(), 5.0];
        let out = forward(&attention, &q, &k, &[4.0, 10.0, 8.0, 20.0]);
        assert_eq!(out.y[..2], [4.0, 10.0]);
        assert!((out.y[2] - 7.0).abs() < 1e-14 && (out.y[3] - 15.0).abs() < 1e-14, "{:?}", out.y);
        assert!((out.log_den[2] - 4.0f64.ln()).abs() < 1e-14);
    }

    #[test]
    fn scores_are_scaled_by_the_channels_of_a_head() {
        let dims = Dims { b: 1, t: 2, d: 4 };
        let attention = Attention { dims, heads: 1, causal: false, mask: None };
        let k = [0.0, 0.0, 0.0, 0.0, 2.0 * 3.0f64.ln(), 0.0, 0.0, 0.0];
        let out = forward(&attention, &[1.0; 8], &k, &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert!(out.y.iter().all(|y| (y - 0.75).abs() < 1e-14), "{:?}", out.y);
    }

    #[test]
    fn a_row_without_keys_is_zero() {
        let dims = Dims { b: 1, t: 3, d: 1 };
        let mask = [false, true, true];
        let attention = Attention { dims, heads: 1, causal: true, mask: Some(&mask) };
        let (q, k, v) = ([1.0; 3], [f64::NAN, 0.0, 0.0], [f64::NAN, 2.0, 4.0]);
        assert_eq!(forward(&attention, &q, &k, &v).y, [0.0, 2.0, 3.0]);
        let Gradient { dq, dk, dv } = gradient(&attention, &q, &k, &v, &[1.0; 3]);
        assert!((dq[0], dk[0], dv[0]) == (0.0, 0.0, 0.0) && [dq, dk, dv].concat().iter().all(|v| v.is_finite()));
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let dims = Dims { b: 2, t: 4, d: 6 };
        let [q, k, v, dy] = [1, 2, 3, 4].map(|stream| normal(stream, dims.size()));
        let mask = [true, false, true, true, false, true, true, true];
        for (heads, causal, mask) in
            [(1, false, None), (2, true, None), (3, true, Some(&mask[..])), (2, false, Some(&mask))]
        {
            let attention = Attention { dims, heads, causal, mask };
            let loss = |q: &[f64], k: &[f64], v: &[f64]| dot(&forward(&attention, q, k, v).y, &dy);
            let grad = gradient(&attention, &q, &k, &v, &dy);
            assert_gradient("dq", &grad.dq, &q, |q| loss(q, &k, &v));
            assert_gradient("dk", &grad.dk, &k, |k| loss(&q, k, &v));
            assert_gradient("dv", &grad.dv, &v, |v| loss(&q, &k, v));
        }
    }
}
