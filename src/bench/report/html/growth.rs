//! Charts of time against T: all variants of each machine, and each variant on all machines.

use super::figure::figure;
use crate::bench::report::lines::{Line, chart};
use crate::bench::report::svg::escape;
use crate::bench::report::table::{Cell, Table};
use crate::bench::report::tables::{Machine, keys};
use crate::bench::series::{Key, Series};
use crate::bench::slope::slope;

/// Properties shared by the lines of a chart.
#[derive(Clone, Copy, PartialEq)]
struct Group<'a> {
    /// Attention is drawn with the layers of AFT.
    op: &'a str,
    direction: &'a str,
    causal: Option<bool>,
    sequences: Option<u32>,
    channels: Option<u32>,
}

impl<'a> Group<'a> {
    fn of(key: &Key<'a>) -> Self {
        let op = if key.op == "attention" { "aft" } else { key.op };
        Self { op, direction: key.direction, causal: key.causal, sequences: key.B, channels: key.D }
    }

    fn title(&self) -> String {
        let mut title = format!("{} {}", self.op, self.direction);
        self.causal.iter().for_each(|causal| title += if *causal { ", causal" } else { ", not causal" });
        self.sequences.iter().for_each(|sequences| title += &format!(", B = {sequences}"));
        self.channels.iter().for_each(|channels| title += &format!(", D = {channels}"));
        title
    }
}

/// All charts; empty if no series has two times.
pub fn section(machines: &[Machine<'_>]) -> String {
    let timed = |key: &Key<'_>| machines.iter().filter_map(|m| m.series_of(key)).any(|series| series.times().len() > 1);
    let keys: Vec<_> = keys(machines).into_iter().filter(timed).collect();
    let mut groups = Vec::new();
    for key in &keys {
        let group = Group::of(key);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let mut colours = Vec::new();
    for name in keys.iter().filter(|key| !key.is_attention()).map(Key::name) {
        if !colours.contains(&name) {
            colours.push(name);
        }
    }
    let block = |(index, group): (usize, &Group<'_>)| {
        let keys: Vec<_> = keys.iter().filter(|key| Group::of(key) == *group).collect();
        block(&format!("g{index}"), &group.title(), &keys, machines, &colours)
    };
    groups.iter().enumerate().map(block).collect()
}

fn block(id: &str, title: &str, keys: &[&Key<'_>], machines: &[Machine<'_>], colours: &[String]) -> String {
    let by_machine = machines.iter().enumerate().map(|(index, machine)| {
        let lines = keys.iter().filter_map(|key| {
            let colour = colours.iter().position(|name| *name == key.name());
            line(key.name(), colour, key.is_attention(), machine.series_of(key)?)
        });
        let lines: Vec<_> = lines.collect();
        drawn(&format!("{id}-m{index}"), title, &machine.label, &lines)
    });
    let by_machine: String = by_machine.collect();
    let by_variant: String = match machines.len() {
        0 | 1 => String::new(),
        _ => keys
            .iter()
            .enumerate()
            .map(|(index, key)| variant(&format!("{id}-v{index}"), title, key, keys, machines))
            .collect(),
    };
    let by_variant = match by_variant.as_str() {
        "" => String::new(),
        charts => format!("<details>\n<summary>Each variant on every adapter</summary>\n{charts}</details>\n"),
    };
    format!("<h3>{}</h3>\n{by_machine}{by_variant}", escape(title))
}

/// One variant on every machine; attention is dashed.
fn variant(id: &str, title: &str, key: &Key<'_>, keys: &[&Key<'_>], machines: &[Machine<'_>]) -> String {
    let shown = keys.iter().filter(|other| **other == key || key.is_against(other));
    let lines = shown.flat_map(|shown| {
        let against = *shown != key;
        machines.iter().enumerate().filter_map(move |(index, machine)| {
            let name = if against { format!("{}, attention", machine.label) } else { machine.label.clone() };
            line(name, Some(index), against, machine.series_of(shown)?)
        })
    });
    drawn(id, title, &key.name(), &lines.collect::<Vec<_>>())
}

fn line(name: String, colour: Option<usize>, dashed: bool, series: &Series<'_>) -> Option<Line> {
    let points = series.times();
    (!points.is_empty()).then_some(Line { name, colour, dashed, points })
}

/// A chart of lines and their table, if there are any.
fn drawn(id: &str, group: &str, caption: &str, lines: &[Line]) -> String {
    let title = format!("{group}: {caption}");
    if lines.is_empty() { String::new() } else { figure(caption, &chart(id, &title, lines), &table(title, lines)) }
}

/// One row for each line: its exponent, then a column for each T, in milliseconds.
fn table(title: String, lines: &[Line]) -> Table {
    let mut lengths: Vec<f64> = lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
    lengths.sort_by(f64::total_cmp);
    lengths.dedup();
    let mut table = Table::new(title, "", &["ms at T =", "exponent"]);
    table.head.extend(lengths.iter().map(f64::to_string));
    for line in lines {
        let time = |length: &f64| line.points.iter().find(|point| point.0 == *length).map(|point| point.1);
        let exponent = slope(&line.points).map(|slope| slope.exponent);
        let mut cells = vec![Cell::text(&line.name), Cell::maybe(exponent, "")];
        cells.extend(lengths.iter().map(|length| Cell::maybe(time(length), "")));
        table.rows.push(cells);
    }
    table
}
