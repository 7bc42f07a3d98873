//! The tables of a report, independent of the format.

mod about;
mod against;
mod machine;
mod times;

use super::table::Table;
use crate::bench::Results;

pub use about::class_of;
pub use machine::{Machine, keys};

/// All tables, in reading order. Some may have no rows.
pub fn all(all: &[Results]) -> Vec<Table> {
    let machines = Machine::all(all);
    let mut tables = vec![about::adapters(&machines), about::limits(&machines)];
    tables.extend(measured(&machines));
    tables.push(about::skipped(&machines));
    tables
}

/// The tables of measured rows.
fn measured(machines: &[Machine<'_>]) -> [Table; 4] {
    [times::over_length(machines), against::attention(machines), against::memory(machines), times::others(machines)]
}
