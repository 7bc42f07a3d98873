//! Where the position bias of a pair (t, t') lies in memory.

/// The layout of a position bias w. What a layout knows nothing of is the mask and the causal limit.
pub trait Layout {
    /// The entries of w.
    fn size(&self) -> usize;

    /// How far w reaches, as (before, after): no pair reads w unless t - before <= t' <= t + after.
    fn reach(&self) -> (usize, usize);

    /// The entry that the pair of row `t` and `key` reads in `head`; without one w is 0.
    fn entry(&self, head: usize, t: usize, key: usize) -> Option<usize>;

    /// The head that an entry belongs to; none where all share it.
    fn head(&self, entry: usize) -> Option<usize>;

    /// The key whose pair with row `t` reads an entry: the inverse of [`Layout::entry`]. It may lie past the sequence.
    fn key(&self, entry: usize, t: usize) -> Option<usize>;
}

/// The column of `key` in a window of `width` whose column `origin` is for the key t' = t, if it is in the window.
pub(super) fn within(width: usize, origin: usize, t: usize, key: usize) -> Option<usize> {
    (key + origin).checked_sub(t).filter(|&column| column < width)
}
