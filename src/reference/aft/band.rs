//! The factorised position bias (Eq. 7), formed within a causal window only.
//!
//! A *band* is the layout of a causal window s: `[T, s]`, whose column j of row t belongs to the key
//! t' = t - (s-1) + j. The last column is the diagonal; entries with t' < 0 are unused and hold 0.
//!
//! ```text
//! band[t, j] = sum over r of u[t, r] v[t', r]
//! du[t, r]   = sum over j of dband[t, j] v[t', r]
//! dv[t', r]  = sum over t of dband[t, j] u[t, r]
//! ```

/// The key t' of column `column` in row `t` of a band of width `window`, if it is not before the sequence.
pub fn key(t: usize, window: usize, column: usize) -> Option<usize> {
    (t + column + 1).checked_sub(window)
}

/// The column of key `key` in row `t` of a band of width `window`, if it is in the window and not in the future.
pub fn column(t: usize, window: usize, key: usize) -> Option<usize> {
    let age = t.checked_sub(key)?;
    window.checked_sub(age + 1)
}

/// The band.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `[T, s]`.
    pub band: Vec<f64>,
}

/// Gradients of the factors, each `[T, R]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of u.
    pub du: Vec<f64>,
    /// Of v.
    pub dv: Vec<f64>,
}

/// Forms the band of width `window` for `t_count` rows from `u` and `v` `[T, R]` of rank `rank`.
pub fn forward(t_count: usize, window: usize, rank: usize, u: &[f64], v: &[f64]) -> Forward {
    debug_assert_eq!(u.len(), t_count * rank);
    debug_assert_eq!(v.len(), t_count * rank);
    let mut band = vec![0.0; t_count * window];
    for (t, j, key) in entries(t_count, window) {
        band[t * window + j] = (0..rank).map(|r| u[t * rank + r] * v[key * rank + r]).sum();
    }
    Forward { band }
}

/// The gradient of [`forward`] for `dband` `[T, s]`; its unused entries are not read.
pub fn gradient(t_count: usize, window: usize, rank: usize, u: &[f64], v: &[f64], dband: &[f64]) -> Gradient {
    debug_assert_eq!(dband.len(), t_count * window);
    let zeros = vec![0.0; t_count * rank];
    let mut out = Gradient { du: zeros.clone(), dv: zeros };
    for (t, j, key) in entries(t_count, window) {
        let dw = dband[t * window + j];
        for r in 0..rank {
            out.du[t * rank + r] += dw * v[key * rank + r];
            out.dv[key * rank + r] += dw * u[t * rank + r];
        }
    }
    out
}

/// Every used entry of a band, as (t, column, key).
fn entries(t_count: usize, window: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..t_count).flat_map(move |t| (0..window).filter_map(move |j| Some((t, j, key(t, window, j)?))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_gradient, dot, normal};

    #[test]
    fn columns_and_keys_are_inverse_and_cover_the_window() {
        for (t, window) in [(0, 1), (5, 1), (5, 3), (5, 6), (5, 9), (5, 0)] {
            let mut keys = 0;
            for j in 0..window {
                if let Some(key) = key(t, window, j) {
                    assert_eq!(column(t, window, key), Some(j));
                    keys += 1;
                }
            }
            assert_eq!(keys, window.min(t + 1), "t - s < t' <= t");
            assert_eq!(column(t, window, t + 1), None);
            assert_eq!((0..=t).filter(|&key| column(t, window, key).is_some()).count(), keys);
        }
    }

    #[test]
    fn the_band_holds_the_entries_of_the_product() {
        // w = u v^T = [[3, 5], [6, 10]], of which the band of width 2 holds the diagonal last.
        let band = forward(2, 2, 1, &[1.0, 2.0], &[3.0, 5.0]).band;
        assert_eq!(band, [0.0, 3.0, 6.0, 10.0]);
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let (t, r) = (7, 3);
        for s in [1, 4, 7, 9] {
            let (u, v, dband) = (normal(1, t * r), normal(2, t * r), normal(3, t * s));
            let loss = |u: &[f64], v: &[f64]| dot(&forward(t, s, r, u, v).band, &dband);
            let grad = gradient(t, s, r, &u, &v, &dband);
            assert_gradient("du", &grad.du, &u, |u| loss(u, &v));
            assert_gradient("dv", &grad.dv, &v, |v| loss(&u, v));
        }
    }
}
