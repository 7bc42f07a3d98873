//! The bias of AFT-local (Eq. 4), held within its window only.
//!
//! A *band* has a column for every key of a window s. Column j of row t belongs to the key t' = t - (s-1) + j: of s
//! columns the last is the diagonal when causal, else it is the middle one of 2s - 1. Entries of keys before or behind
//! the sequence are unused.
pub use super::factors::Gradient;
use super::{
    factors,
    layout::{Layout, within},
};

/// The layout `[T, s]` of a causal band, `[T, 2s - 1]` of any other.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// T.
    pub t: usize,
    /// s: 0 has no entry (AFT-simple), T or more has one for every pair (AFT-full).
    pub window: usize,
    /// Whether the columns end at the diagonal.
    pub causal: bool,
}

impl Band {
    /// The columns of a row.
    pub fn width(self) -> usize {
        if self.causal { self.window } else { (2 * self.window).saturating_sub(1) }
    }

    /// The column of the diagonal.
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

/// Forms the causal band of width `window` for `t_count` rows from `u` and `v` `[T, R]` of rank `rank` (Eq. 7).
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
        // w = u v^T = [[3, 5], [6, 10]], of which the band of width 2 holds the diagonal last.
        assert_eq!(forward(2, 2, 1, &[1.0, 2.0], &[3.0, 5.0]).band, [0.0, 3.0, 6.0, 10.0]);
    }

    #[test]
    fn any_other_band_holds_the_window_on_both_sides() {
        // Of width 1 it holds the diagonal alone, of width 3 (s = 2) also both neighbours, unless there are none.
        let w = |window| factors::forward(&Band { t: 2, window, causal: false }, 1, &[1.0, 2.0], &[3.0, 5.0]);
        assert_eq!(w(0), [0.0; 0]);
        assert_eq!(w(1), [3.0, 10.0]);
        assert_eq!(w(2), [0.0, 3.0, 5.0, 6.0, 10.0, 0.0]);
        assert_eq!(w(3), [0.0, 0.0, 3.0, 5.0, 0.0, 0.0, 6.0, 10.0, 0.0, 0.0]);
    }
}
