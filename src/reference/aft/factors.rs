//! The factorised position bias (Eq. 7), computed only where a layout has an entry.
//!
//! ```text
//! w[t, t']   = sum over r of u[t, r] v[t', r]
//! du[t, r]   = sum over t' of dw[t, t'] v[t', r]
//! dv[t', r]  = sum over t of dw[t, t'] u[t, r]
//! ```
use super::Layout;

/// Gradients of the factors, each `[T, R]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of u.
    pub du: Vec<f64>,
    /// Of v.
    pub dv: Vec<f64>,
}

/// Computes w in the order of `layout` from `u` and `v` `[T, R]` of rank `rank`; entries without a pair are 0.
pub fn forward(layout: &dyn Layout, rank: usize, u: &[f64], v: &[f64]) -> Vec<f64> {
    debug_assert_eq!(u.len(), v.len());
    let mut w = vec![0.0; layout.size()];
    for (t, key, entry) in pairs(layout, u.len() / rank) {
        w[entry] = (0..rank).map(|r| u[t * rank + r] * v[key * rank + r]).sum();
    }
    w
}

/// The gradient of [`forward`] for `dw`; entries of dw without a pair are not read.
pub fn gradient(layout: &dyn Layout, rank: usize, u: &[f64], v: &[f64], dw: &[f64]) -> Gradient {
    debug_assert_eq!(dw.len(), layout.size());
    let mut out = Gradient { du: vec![0.0; u.len()], dv: vec![0.0; v.len()] };
    for (t, key, entry) in pairs(layout, u.len() / rank) {
        for r in 0..rank {
            out.du[t * rank + r] += dw[entry] * v[key * rank + r];
            out.dv[key * rank + r] += dw[entry] * u[t * rank + r];
        }
    }
    out
}

/// All pairs with an entry, as (t, key, entry).
fn pairs(layout: &dyn Layout, t_count: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let (before, after) = layout.reach();
    (0..t_count).flat_map(move |t| {
        let near = t.saturating_sub(before)..t.saturating_add(after).saturating_add(1).min(t_count);
        near.filter_map(move |key| Some((t, key, layout.entry(0, t, key)?)))
    })
}
