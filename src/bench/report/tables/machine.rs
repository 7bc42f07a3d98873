//! A machine with its series, and the columns that identify a series.

use std::collections::HashSet;

use crate::bench::Results;
use crate::bench::report::table::Cell;
use crate::bench::report::words::labels;
use crate::bench::series::{Key, Series, series};

/// The results of one machine.
pub struct Machine<'a> {
    /// A name that no other machine has.
    pub label: String,
    pub results: &'a Results,
    pub series: Vec<Series<'a>>,
}

impl<'a> Machine<'a> {
    /// All machines, in the order of the results.
    pub fn all(all: &'a [Results]) -> Vec<Self> {
        let machine = |(results, label)| Self { label, results, series: series(results) };
        all.iter().zip(labels(all)).map(machine).collect()
    }

    /// The series with a key.
    pub fn series_of(&self, key: &Key<'_>) -> Option<&Series<'a>> {
        self.series.iter().find(|series| series.key == *key)
    }
}

/// The keys of all machines, in order of first appearance.
pub fn keys<'a>(machines: &[Machine<'a>]) -> Vec<Key<'a>> {
    let mut seen = HashSet::new();
    let keys = machines.iter().flat_map(|machine| machine.series.iter().map(|series| series.key));
    keys.filter(|key| seen.insert(*key)).collect()
}

/// Headings of the columns of [`case`].
pub(super) const CASE: [&str; 5] = ["case", "direction", "causal", "B", "D"];

/// The cells that identify a key.
pub(super) fn case(key: &Key<'_>) -> Vec<Cell> {
    let causal = key.causal.map_or_else(Cell::none, |causal| Cell::text(if causal { "yes" } else { "no" }));
    vec![Cell::text(key.name()), Cell::text(key.direction), causal, Cell::size(key.B), Cell::size(key.D)]
}
