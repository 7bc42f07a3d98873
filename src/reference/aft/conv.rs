//! AFT-conv (Eq. 6): a bias for every relative position in a kernel, per head.
//!
//! ```text
//! y_t = sigmoid(q_t) * (conv(e^k v, e^w - 1)_t + sum over t' of e^k_t' v_t')
//!                    / (conv(e^k, e^w - 1)_t + sum over t' of e^k_t')
//! ```
//!
//! A key at a tap has weight (e^w - 1) + 1 = e^w, any other key 1: a bias that is 0 outside the kernel. k has one
//! channel per head, shared by all values of the head. Taps outside the sequence or grid are not read.
use super::layout::{Layout, within};

/// A kernel `[H, s]` along time: tap i is for key t' = t + i - (s-1) if causal, else t + i - (s-1)/2.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// H.
    pub heads: usize,
    /// s, odd unless causal.
    pub window: usize,
    /// Whether the last tap is for the row's own position, instead of the middle tap.
    pub causal: bool,
}

impl Line {
    /// Tap of the row's own position.
    fn origin(&self) -> usize {
        self.window.saturating_sub(1) / if self.causal { 1 } else { 2 }
    }
}

impl Layout for Line {
    fn size(&self) -> usize {
        self.heads * self.window
    }

    fn reach(&self) -> (usize, usize) {
        (self.origin(), if self.causal { 0 } else { self.origin() })
    }

    fn entry(&self, head: usize, t: usize, key: usize) -> Option<usize> {
        Some(head * self.window + within(self.window, self.origin(), t, key)?)
    }

    fn head(&self, entry: usize) -> Option<usize> {
        Some(entry / self.window)
    }

    fn key(&self, entry: usize, t: usize) -> Option<usize> {
        (t + entry % self.window).checked_sub(self.origin())
    }
}

/// A kernel `[H, s, s]` on a grid with positions in raster order: tap (i, j) is for the key (i - (s-1)/2) rows below
/// and (j - (s-1)/2) columns to the right of t.
///
/// A causal pass does not read taps of later positions in raster order.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// H.
    pub heads: usize,
    /// s, odd.
    pub window: usize,
    /// Rows of the grid.
    pub rows: usize,
    /// Columns of the grid; T = rows * columns.
    pub columns: usize,
}

impl Grid {
    /// Tap of the row's own position, along either axis.
    fn origin(&self) -> usize {
        self.window.saturating_sub(1) / 2
    }

    /// Row and column of a position.
    fn place(&self, t: usize) -> (usize, usize) {
        (t / self.columns, t % self.columns)
    }
}

impl Layout for Grid {
    fn size(&self) -> usize {
        self.heads * self.window * self.window
    }

    fn reach(&self) -> (usize, usize) {
        let far = self.origin() * (self.columns + 1);
        (far, far)
    }

    fn entry(&self, head: usize, t: usize, key: usize) -> Option<usize> {
        let ((row, column), (key_row, key_column)) = (self.place(t), self.place(key));
        let i = within(self.window, self.origin(), row, key_row)?;
        let j = within(self.window, self.origin(), column, key_column)?;
        Some((head * self.window + i) * self.window + j)
    }

    fn head(&self, entry: usize) -> Option<usize> {
        Some(entry / (self.window * self.window))
    }

    fn key(&self, entry: usize, t: usize) -> Option<usize> {
        let (row, column) = self.place(t);
        let key_row = (row + entry / self.window % self.window).checked_sub(self.origin())?;
        let key_column = (column + entry % self.window).checked_sub(self.origin())?;
        (key_row < self.rows && key_column < self.columns).then_some(key_row * self.columns + key_column)
    }
}
