//! Bar charts of the percentage of limit: each series at its largest T, and every other case.

use super::figure::figure;
use crate::bench::report::bars::{Bar, Case, chart};
use crate::bench::report::table::{Cell, Table};
use crate::bench::report::tables::Machine;
use crate::bench::report::words::figures;
use crate::bench::series::Key;
use crate::bench::{Results, Row};

/// Identifies a bar: the case, its T and its limit.
type Id<'a> = (Key<'a>, Option<u32>, Option<&'a str>);

/// One chart for each direction, causal or not; empty if no row has a percentage.
pub fn section(machines: &[Machine<'_>]) -> String {
    let mut ids: Vec<Id<'_>> = Vec::new();
    for row in machines.iter().flat_map(|machine| shown(machine.results)) {
        if !ids.contains(&id(row)) {
            ids.push(id(row));
        }
    }
    let mut groups: Vec<String> = Vec::new();
    for group in ids.iter().map(group) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let figure_of = |(index, group): (usize, &String)| {
        let cases: Vec<_> = ids.iter().filter(|id| self::group(id) == *group).map(|id| case(*id, machines)).collect();
        let title = format!("Per cent of limit: {group}");
        figure(group, &chart(&format!("s{index}"), &title, &cases), &table(&title, &cases, machines))
    };
    groups.iter().enumerate().map(figure_of).collect()
}

/// Name of the chart that a case belongs to.
fn group((key, _, _): &Id<'_>) -> String {
    let causal = key.causal.map_or("", |causal| if causal { ", causal" } else { ", not causal" });
    format!("{}{causal}", key.direction)
}

fn id(row: &Row) -> Id<'_> {
    (Key::of(row), row.T, row.limit.as_deref())
}

/// The rows with a percentage; if rows differ only in T, the one with the largest T.
fn shown(results: &Results) -> impl Iterator<Item = &Row> {
    let with_share = || results.rows.iter().filter(|row| row.percent_of_limit.is_some());
    let largest = move |row: &&Row| !with_share().any(|other| Key::of(other) == Key::of(row) && other.T > row.T);
    with_share().filter(largest)
}

fn case(id: Id<'_>, machines: &[Machine<'_>]) -> Case {
    let (key, length, limit) = id;
    let mut name = key.name();
    let sizes = [("B", key.B), ("D", key.D), ("T", length)];
    for (letter, size) in sizes.into_iter().filter_map(|(letter, size)| Some((letter, size?))) {
        name += &format!(", {letter} = {size}");
    }
    limit.iter().for_each(|limit| name += &format!(" (of {limit})"));
    let bar = |(colour, machine): (usize, &Machine<'_>)| {
        let row = machine.results.rows.iter().find(|row| self::id(row) == id && row.percent_of_limit.is_some())?;
        let percent = row.percent_of_limit?;
        Some(Bar { machine: machine.label.clone(), colour, percent, spread: row.percent_spread })
    };
    Case { name, bars: machines.iter().enumerate().filter_map(bar).collect() }
}

/// One row for each case, one column for each machine.
fn table(title: &str, cases: &[Case], machines: &[Machine<'_>]) -> Table {
    let mut table = Table::new(title, "", &["case"]);
    table.head.extend(machines.iter().map(|machine| machine.label.clone()));
    let cell = |case: &Case, machine: &Machine<'_>| {
        let Some(bar) = case.bars.iter().find(|bar| bar.machine == machine.label) else { return Cell::none() };
        let spread = bar.spread.map(|ends| ends.map(figures));
        let spread = spread.map_or_else(String::new, |[low, high]| format!(" ({low} to {high})"));
        Cell::number(bar.percent, format!("{} %{spread}", figures(bar.percent)))
    };
    for case in cases {
        let cells = machines.iter().map(|machine| cell(case, machine));
        table.rows.push(std::iter::once(Cell::text(&case.name)).chain(cells).collect());
    }
    table
}
