//! Tables of times: series over T with their slopes, and all other cases.

use std::collections::{BTreeSet, HashSet};

use super::machine::{CASE, Machine, case, keys};
use crate::bench::Row;
use crate::bench::report::table::{Cell, Table};
use crate::bench::report::words::{figures, thousands};
use crate::bench::series::Key;
use crate::bench::slope::slope;

/// Every T of the series with more than one.
fn lengths(machines: &[Machine<'_>]) -> Vec<u32> {
    let series = machines.iter().flat_map(|machine| &machine.series).filter(|series| series.rows.len() > 1);
    let lengths: BTreeSet<_> = series.flat_map(|series| series.rows.iter().filter_map(|row| row.T)).collect();
    lengths.into_iter().collect()
}

/// One row for each series on a machine; a column for each T, and the slope.
pub fn over_length(machines: &[Machine<'_>]) -> Table {
    let lengths = lengths(machines);
    let mut table = Table::new(
        "Time over T",
        "The median of one execution and its share of the named limit: the median over the rounds; the smallest and the largest. All \
         T of a case took turns. The exponent n is that of time = c Tⁿ, fitted by least squares in ln T and ln time; the one in turns \
         is of the time in units of the limit's kernel, with which each took turns, so that what the machine did to both cancels.",
        &CASE,
    );
    table.head.extend(["adapter".into(), "exponent".into(), "in turns".into()]);
    table.head.extend(lengths.iter().map(|length| format!("T = {length}")));
    table.head.push("limit".into());
    let long = |key: &Key<'_>| machines.iter().filter_map(|m| m.series_of(key)).any(|series| series.rows.len() > 1);
    for key in keys(machines).iter().filter(|key| long(key)) {
        for (machine, series) in machines.iter().filter_map(|machine| Some((machine, machine.series_of(key)?))) {
            let mut cells = case(key);
            cells.push(Cell::text(&machine.label));
            for times in [series.times(), series.times_in_limits()] {
                cells.push(Cell::maybe(slope(&times).map(|slope| slope.exponent), ""));
            }
            cells.extend(lengths.iter().map(|&length| time_cell(series.at(length))));
            let limits: BTreeSet<_> = series.rows.iter().filter_map(|row| row.limit.as_deref()).collect();
            cells.push(if limits.is_empty() { Cell::none() } else { Cell::text(Vec::from_iter(limits).join(", ")) });
            table.rows.push(cells);
        }
    }
    table
}

/// One row for each case with one T or none, one column for each machine.
pub fn others(machines: &[Machine<'_>]) -> Table {
    let mut table = Table::new(
        "Other cases",
        "The median of one execution and its share of the named limit: the median over the rounds; the smallest and the largest.",
        &CASE,
    );
    table.head.extend(["T".into(), "limit".into()]);
    table.head.extend(machines.iter().map(|machine| machine.label.clone()));
    // Cases with equal fields are matched by their order.
    let mut columns = Vec::new();
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    for machine in machines {
        let mut column = std::collections::HashMap::new();
        for row in machine.results.rows.iter().filter(|row| !in_series(machines, row)) {
            let same = (Key::of(row), row.T, row.limit.as_deref());
            let nth = (0..).find(|nth| !column.contains_key(&(same, *nth))).unwrap_or(0);
            column.insert((same, nth), row);
            if seen.insert((same, nth)) {
                order.push((same, nth));
            }
        }
        columns.push(column);
    }
    for id in order {
        let ((key, length, limit), _) = id;
        let mut cells = case(&key);
        cells.push(Cell::size(length));
        cells.push(limit.map_or_else(Cell::none, Cell::text));
        cells.extend(columns.iter().map(|column| time_cell(column.get(&id).copied())));
        table.rows.push(cells);
    }
    table
}

/// Whether [`over_length`] shows a row.
fn in_series(machines: &[Machine<'_>], row: &Row) -> bool {
    let key = Key::of(row);
    let mut series = machines.iter().filter_map(|machine| machine.series_of(&key));
    row.T.is_some() && series.any(|series| series.rows.len() > 1)
}

/// Time, percentage of the limit and tokens per second of a row; red if its gate failed.
pub fn time_cell(row: Option<&Row>) -> Cell {
    let Some(row) = row else { return Cell::none() };
    let Some(median) = row.median_ms else { return Cell::red("gate failed") };
    let mut text = format!("{} ms", figures(median));
    if let Some(percent) = row.percent_of_limit {
        let spread = row.percent_spread.map(|ends| ends.map(figures).join("–"));
        text += &format!(" ({} %{})", figures(percent), spread.map_or_else(String::new, |ends| format!("; {ends}")));
    }
    row.tokens_per_second.iter().for_each(|tokens| text += &format!(", {} tokens/s", thousands(tokens.round() as u64)));
    Cell::number(median, text)
}
