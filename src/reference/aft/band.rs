//! The bias of AFT-local (Eq. 4), stored only within its window.
//!
//! A *band* has one column per key of the window. Column j of row t is for key t' = t - (s-1) + j. Causal: s columns,
//! the last is the diagonal. Otherwise: 2s - 1 columns, the middle one is the diagonal. Entries for keys outside the
//! sequence are unused.
pub use super::factors::Gradient;
use super::{
    factors,
    layout::{Layout, within},
};

/// The layout of a band: `[T, s]` if causal, else `[T, 2s - 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// T.
    pub t: usize,
    /// The window s: 0 has no entries (AFT-simple), T or more has one for every pair (AFT-full).
    pub window: usize,
    /// Whether the last column is the diagonal.
    pub causal: bool,
}

impl Band {
    /// Columns of a row.
    pub fn width(self) -> usize {
        if self.causal { self.window } else { (2 * self.window).saturating_sub(1) }
    }

    /// Column of the diagonal.
    fn origin(self) -> usize {
        self.window.saturating_sub(1)
    }
}

impl Layout for Band {
    fn size(&self) -> usize {
        self.t * self.width()
    }

    fn reach(&self) -> (usize, usize) {
        (self.origin(), if self.causal { 0 } else { self.origin() })
    }

    fn entry(&self, _head: usize, t: usize, key: usize) -> Option<usize> {
        Some(t * self.width() + within(self.width(), self.origin(), t, key)?)
    }

    fn head(&self, _entry: usize) -> Option<usize> {
        None
    }

    fn key(&self, entry: usize, t: usize) -> Option<usize> {
        if entry / self.width() != t {
            return None;
        }
        (t + entry % self.width()).checked_sub(self.origin())
    }
}

/// The band.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `[T, s]`.
    pub band: Vec<f64>,
}

/// Computes the causal band of width `window` for `t_count` rows from `u` and `v` `[T, R]` of rank `rank` (Eq. 7).
pub fn forward(t_count: usize, window: usize, rank: usize, u: &[f64], v: &[f64]) -> Forward {
    debug_assert_eq!(u.len(), t_count * rank);
    Forward { band: factors::forward(&Band { t: t_count, window, causal: true }, rank, u, v) }
}

/// The gradient of [`forward`] for `dband` `[T, s]`; its unused entries are not read.
pub fn gradient(t_count: usize, window: usize, rank: usize, u: &[f64], v: &[f64], dband: &[f64]) -> Gradient {
    debug_assert_eq!(u.len(), t_count * rank);
    factors::gradient(&Band { t: t_count, window, causal: true }, rank, u, v, dband)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_causal_band_holds_the_window_up_to_the_diagonal() {
        // w = u v^T = [[3, 5], [6, 10]]; the diagonal is the last column of the band of width 2.
        assert_eq!(forward(2, 2, 1, &[1.0, 2.0], &[3.0, 5.0]).band, [0.0, 3.0, 6.0, 10.0]);
    }

    #[test]
    fn any_other_band_holds_the_window_on_both_sides() {
        // Width 1 holds the diagonal alone; width 3 (s = 2) holds both neighbours, too, where they exist.
        let w = |window| factors::forward(&Band { t: 2, window, causal: false }, 1, &[1.0, 2.0], &[3.0, 5.0]);
        assert_eq!(w(0), [0.0; 0]);
        assert_eq!(w(1), [3.0, 10.0]);
        assert_eq!(w(2), [0.0, 3.0, 5.0, 6.0, 10.0, 0.0]);
        assert_eq!(w(3), [0.0, 0.0, 3.0, 5.0, 0.0, 0.0, 6.0, 10.0, 0.0, 0.0]);
    }
}
