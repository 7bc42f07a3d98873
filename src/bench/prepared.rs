//! A checked case with its programs to time.

use super::gate::judge;
use super::result::Row;
use super::roofline::Ceiling;
use crate::gpu::Program;

/// A checked case.
pub(super) struct Prepared {
    /// Programs to time.
    pub(super) timed: Vec<Timed>,
    /// Objects that the programs use.
    pub(super) _held: Box<dyn std::any::Any>,
}

/// A program to time, and its row.
pub(super) struct Timed {
    /// The row, with everything known before timing: the case, its work and its memory.
    pub(super) row: Row,
    /// One execution.
    pub(super) program: Program,
    /// The ceiling to compare with.
    pub(super) ceiling: Ceiling,
    /// The largest error in units of its tolerance.
    pub(super) error: f64,
}

impl Timed {
    /// The row with the result of the gate.
    pub(super) fn judged(&self) -> Row {
        let mut row = self.row.clone();
        judge(&mut row, self.error);
        row
    }
}
