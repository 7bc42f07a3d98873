//! Markdown.

use super::table::{Cell, Table};
use super::tables;
use crate::bench::Results;
use crate::printable::is_escaped;

/// Tables with more rows are folded.
const FOLD: usize = 40;

/// Results of one or several machines side by side, as Markdown tables.
pub fn markdown(all: &[Results]) -> String {
    let parts: Vec<_> = tables::all(all).iter().filter(|table| !table.rows.is_empty()).map(part).collect();
    parts.join("\n")
}

fn part(table: &Table) -> String {
    let note = if table.note.is_empty() { String::new() } else { format!("{}\n\n", escape(&table.note)) };
    let lines = lines(table);
    let body = match table.rows.len() {
        0..=FOLD => lines,
        rows => format!("<details>\n<summary>{rows} rows</summary>\n\n{lines}\n</details>\n"),
    };
    format!("### {}\n\n{note}{body}", escape(&table.title))
}

fn lines(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = line(table.head.iter().map(|name| escape(name)).collect());
    let align = |column| if table.is_numeric(column) { "---:".into() } else { "---".into() };
    let rule = line((0..table.head.len()).map(align).collect());
    let rows: String = table.rows.iter().map(|row| line(row.iter().map(cell).collect())).collect();
    head + &rule + &rows
}

fn cell(cell: &Cell) -> String {
    if cell.red { format!("**{}**", escape(&cell.text)) } else { escape(&cell.text) }
}

/// Escapes Markdown, on one line.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' => escaped.extend(['\\', c]),
            c if is_escaped(c) || c == '\t' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
