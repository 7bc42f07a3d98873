//! AFT-full (Eq. 2): a bias for every pair.
use super::Layout;

/// The layout `[T, T]`: row t, key t'. [`factors`](super::factors) computes it from factors of rank R.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    /// T.
    pub t: usize,
}

impl Layout for Dense {
    fn size(&self) -> usize {
        self.t * self.t
    }

    fn reach(&self) -> (usize, usize) {
        (self.t, self.t)
    }

    fn entry(&self, _head: usize, t: usize, key: usize) -> Option<usize> {
        Some(t * self.t + key)
    }

    fn head(&self, _entry: usize) -> Option<usize> {
        None
    }

    fn key(&self, entry: usize, t: usize) -> Option<usize> {
        (entry / self.t == t).then_some(entry % self.t)
    }
}
