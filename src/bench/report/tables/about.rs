//! Tables of the machines, their limits in plain kernels, and the skipped cases.

use super::machine::Machine;
use crate::bench::Adapter;
use crate::bench::report::table::{Cell, Table};
use crate::bench::report::words::{figures, gates};

/// One row for each machine.
pub fn adapters(machines: &[Machine<'_>]) -> Table {
    let head = ["adapter", "named by its driver", "class", "driver", "backend", "clock", "aft-wgpu", "cases", "gates"];
    let mut table = Table::new("Adapters", "", &head);
    table.rows = machines.iter().map(row).collect();
    table
}

fn row(machine: &Machine<'_>) -> Vec<Cell> {
    let adapter = &machine.results.adapter;
    let class = class_of(adapter);
    let mut clock = format!("{}, steps of {} ns", adapter.clock, figures(adapter.clock_resolution_ns));
    adapter.clock_note.iter().for_each(|note| clock += &format!(" ({note})"));
    let mut version = adapter.version.clone();
    adapter.commit.iter().for_each(|commit| version += &format!(" ({})", commit.chars().take(12).collect::<String>()));
    let rows = &machine.results.rows;
    let gates = match gates(machine.results) {
        (text, true) => Cell::text(text),
        (text, false) => Cell::red(text),
    };
    let words = [&machine.label, &adapter.name, &class, &adapter.driver, &adapter.backend, &clock, &version];
    let mut cells: Vec<_> = words.map(Cell::text).into();
    cells.extend([Cell::number(rows.len() as f64, rows.len().to_string()), gates]);
    cells
}

/// The adapter class, with a note if shaders run on the CPU.
pub fn class_of(adapter: &Adapter) -> String {
    let unsaid = adapter.software && !adapter.class.contains("software");
    if unsaid { format!("{} (software)", adapter.class) } else { adapter.class.clone() }
}

/// One row for each limit, one column for each machine.
pub fn limits(machines: &[Machine<'_>]) -> Table {
    let mut table = Table::new(
        "Limits",
        "What plain kernels reach on each adapter: the median over the rounds, and the smallest and largest.",
        &["limit"],
    );
    table.head.extend(machines.iter().map(|machine| machine.label.clone()));
    let mut names: Vec<&str> = Vec::new();
    for limit in machines.iter().flat_map(|machine| &machine.results.limits) {
        if !names.contains(&limit.name.as_str()) {
            names.push(&limit.name);
        }
    }
    let cell = |machine: &Machine<'_>, name: &str| {
        let limit = machine.results.limits.iter().find(|limit| limit.name == name);
        limit.map_or_else(Cell::none, |limit| {
            let [value, min, max] = [limit.value, limit.min, limit.max].map(figures);
            Cell::number(limit.value, format!("{value} {} ({min} to {max})", limit.unit))
        })
    };
    for name in names {
        let cells = machines.iter().map(|machine| cell(machine, name));
        table.rows.push(std::iter::once(Cell::text(name)).chain(cells).collect());
    }
    table
}

/// One row for each skipped case.
pub fn skipped(machines: &[Machine<'_>]) -> Table {
    let mut table = Table::new("Not run", "", &["case", "adapter", "reason"]);
    for machine in machines {
        for skipped in &machine.results.skipped {
            table.rows.push([&skipped.case, &machine.label, &skipped.reason].map(Cell::text).into());
        }
    }
    table
}
