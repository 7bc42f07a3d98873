//! What is shown of results, whatever the format.

mod about;
mod against;
mod times;

use super::table::{Cell, Table};
use super::words::labels;
use crate::bench::Results;
use crate::bench::series::{Key, Series, series};

pub use about::class_of;

/// One machine.
pub struct Machine<'a> {
    /// Differs from that of every other machine.
    pub label: String,
    pub results: &'a Results,
    pub series: Vec<Series<'a>>,
}

impl<'a> Machine<'a> {
    /// Every machine, in the order of the results.
    pub fn all(all: &'a [Results]) -> Vec<Self> {
        let machine = |(results, label)| Self { label, results, series: series(results) };
        all.iter().zip(labels(all)).map(machine).collect()
    }

    /// The series of a key.
    pub fn series_of(&self, key: &Key<'_>) -> Option<&Series<'a>> {
        self.series.iter().find(|series| series.key == *key)
    }
}

/// Every table, in reading order. Some may have no rows.
pub fn all(all: &[Results]) -> Vec<Table> {
    let machines = Machine::all(all);
    let mut tables = vec![about::adapters(&machines), about::limits(&machines)];
    tables.extend(measured(&machines));
    tables.push(about::skipped(&machines));
    tables
}

/// The tables of the rows.
fn measured(machines: &[Machine<'_>]) -> [Table; 4] {
    [times::over_length(machines), against::attention(machines), against::memory(machines), times::others(machines)]
}

/// The keys of all machines, in order of first appearance.
pub fn keys<'a>(machines: &[Machine<'a>]) -> Vec<Key<'a>> {
    let mut seen = std::collections::HashSet::new();
    let keys = machines.iter().flat_map(|machine| machine.series.iter().map(|series| series.key));
    keys.filter(|key| seen.insert(*key)).collect()
}

/// Heads of the cells of [`case`].
const CASE: [&str; 5] = ["case", "direction", "causal", "B", "D"];

/// What a key stands for.
fn case(key: &Key<'_>) -> Vec<Cell> {
    let causal = key.causal.map_or_else(Cell::none, |causal| Cell::text(if causal { "yes" } else { "no" }));
    vec![Cell::text(key.name()), Cell::text(key.direction), causal, Cell::size(key.B), Cell::size(key.D)]
}
