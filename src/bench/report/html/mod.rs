//! A single HTML page without scripts or external files.

mod figure;
mod growth;
mod shares;

use self::figure::rendered;
use super::lines::class;
use super::svg::escape;
use super::tables::{self, Machine, class_of};
use super::words::{count, gates};
use crate::bench::Results;

const STYLE: &str = include_str!("page.css");

/// Results of one or several machines side by side as one HTML page: tables, and SVG charts each with a table.
pub fn html(all: &[Results]) -> String {
    let machines = Machine::all(all);
    let tables: Vec<_> = tables::all(all).into_iter().filter(|table| !table.rows.is_empty()).collect();
    let charts = [
        ("growth", "Time against T", growth::section(&machines)),
        ("shares", "Per cent of limit", shares::section(&machines)),
    ];
    let charts: Vec<_> = charts.into_iter().filter(|(_, _, body)| !body.is_empty()).collect();
    let mut links: Vec<_> = charts.iter().map(|(id, title, _)| link(id, title)).collect();
    links.extend(tables.iter().enumerate().map(|(index, table)| link(&format!("table-{index}"), &table.title)));
    let cards: String = machines.iter().enumerate().map(|(index, machine)| card(index, machine)).collect();
    let sections = charts.iter().map(|(id, title, body)| section(id, title, "", body));
    let listed = tables
        .iter()
        .enumerate()
        .map(|(index, table)| section(&format!("table-{index}"), &table.title, &table.note, &rendered(table)));
    let body: String = sections.chain(listed).collect();
    let names: Vec<_> = machines.iter().map(|machine| escape(&machine.label)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>aft bench: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>aft bench</h1>\n\
         <p>The Attention Free Transformer against attention, in per cent of what each adapter reaches in plain kernels.</p>\n\
         <div class=\"cards\">\n{cards}</div>\n<nav aria-label=\"Sections\">{}</nav>\n</header>\n<main>\n{body}</main>\n</body>\n</html>\n",
        names.join(", "),
        links.join(" ")
    )
}

fn link(id: &str, title: &str) -> String {
    format!("<a href=\"#{id}\">{}</a>", escape(title))
}

/// Summary of a machine, in its colour.
fn card(index: usize, machine: &Machine<'_>) -> String {
    let Results { adapter, rows, skipped, .. } = machine.results;
    let (gates, good) = gates(machine.results);
    let gates = format!("<span class=\"{}\">{gates}</span>", if good { "green" } else { "red" });
    format!(
        "<div class=\"card {}\"><h2>{}</h2><p>{} · {}</p><p>{} · {gates} · {} not run</p></div>\n",
        class(index),
        escape(&machine.label),
        escape(&class_of(adapter)),
        escape(&adapter.backend),
        count(rows.len(), "case"),
        skipped.len()
    )
}

fn section(id: &str, title: &str, note: &str, body: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<p>{}</p>\n", escape(note)) };
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{note}{body}</section>\n", escape(title))
}
