//! AFT-full (Eq. 2): a bias for every pair.
use super::Layout;

/// The layout `[T, T]`: row t, then key t'. Rank-R factors of it are in [`factors`](super::factors).
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
