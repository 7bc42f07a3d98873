//! Memory layout of the position bias of pairs (t, t').

/// The layout of a position bias w. It does not take the mask or causality into account.
pub trait Layout {
    /// Number of entries of w.
    fn size(&self) -> usize;

    /// Reach of w as (before, after): a pair reads w only if t - before <= t' <= t + after.
    fn reach(&self) -> (usize, usize);

    /// Entry for row `t` and `key` in `head`; none if w is 0.
    fn entry(&self, head: usize, t: usize, key: usize) -> Option<usize>;

    /// Head of an entry; none if all heads share it.
    fn head(&self, entry: usize) -> Option<usize>;

    /// Key for which row `t` reads an entry: the inverse of [`Layout::entry`]. It may be after the sequence.
    fn key(&self, entry: usize, t: usize) -> Option<usize>;
}

/// Column of `key` in a window of `width` columns, with column `origin` for t' = t; none outside the window.
pub(super) fn within(width: usize, origin: usize, t: usize, key: usize) -> Option<usize> {
    (key + origin).checked_sub(t).filter(|&column| column < width)
}
