//! A case that was checked: the programs that are timed.

use super::gate::judge;
use super::result::Row;
use super::roofline::Ceiling;
use crate::gpu::Program;

/// A case that was checked.
pub(super) struct Prepared {
    /// Programs that are timed.
    pub(super) timed: Vec<Timed>,
    /// What they run on, for as long as they do.
    pub(super) _held: Box<dyn std::any::Any>,
}

/// A program that is timed, and the row that tells of it.
pub(super) struct Timed {
    /// All that is known before: the case, its work, and memory.
    pub(super) row: Row,
    /// One execution.
    pub(super) program: Program,
    /// The ceiling that it is compared with.
    pub(super) ceiling: Ceiling,
    /// The largest error in units of its tolerance.
    pub(super) error: f64,
}

impl Timed {
    /// The row with the verdict on the result.
    pub(super) fn judged(&self) -> Row {
        let mut row = self.row.clone();
        judge(&mut row, self.error);
        row
    }
}
