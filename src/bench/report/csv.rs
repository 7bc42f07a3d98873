//! Comma-separated values (RFC 4180).

use crate::bench::{Results, Row};

/// Results as CSV: one line for each row, with the adapter and program first, then the row's fields in the order of [`Row`].
/// `percent_spread` takes two columns; null is empty. Numbers have enough digits to be read back exactly.
pub fn csv(results: &Results) -> String {
    let adapter = &results.adapter;
    let about = [
        ("schema", results.schema.as_str()),
        ("adapter", &adapter.name),
        ("driver", &adapter.driver),
        ("backend", &adapter.backend),
        ("class", &adapter.class),
        ("version", &adapter.version),
        ("complete", if results.complete { "true" } else { "false" }),
        ("commit", adapter.commit.as_deref().unwrap_or_default()),
    ];
    let names = about.iter().map(|(name, _)| *name).chain(fields(&Row::default()).map(|(name, _)| name));
    let head = line(names.map(str::to_owned));
    let row = |row| line(about.iter().map(|(_, text)| quoted(text)).chain(fields(row).map(|(_, text)| text)));
    head + &results.rows.iter().map(row).collect::<String>()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(",") + "\r\n"
}

/// Name and text of each column of a row.
fn fields(row: &Row) -> [(&'static str, String); 25] {
    let [low, high] = row.percent_spread.map_or([None; 2], |ends| ends.map(Some));
    [
        ("op", quoted(&row.op)),
        ("form", optional_text(&row.form)),
        ("direction", quoted(&row.direction)),
        ("B", optional(row.B)),
        ("T", optional(row.T)),
        ("D", optional(row.D)),
        ("s", optional(row.s)),
        ("H", optional(row.H)),
        ("causal", optional(row.causal)),
        ("gate", quoted(&row.gate)),
        ("median_ms", optional(row.median_ms)),
        ("min_ms", optional(row.min_ms)),
        ("p90_ms", optional(row.p90_ms)),
        ("repetitions", optional(row.repetitions)),
        ("clock", optional_text(&row.clock)),
        ("flops", optional(row.flops)),
        ("bytes", optional(row.bytes)),
        ("limit", optional_text(&row.limit)),
        ("percent_of_limit", optional(row.percent_of_limit)),
        ("percent_spread_min", optional(low)),
        ("percent_spread_max", optional(high)),
        ("tokens_per_second", optional(row.tokens_per_second)),
        ("peak_bytes", optional(row.peak_bytes)),
        ("error", optional(row.error)),
        ("plan", optional_text(&row.plan)),
    ]
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn optional_text(text: &Option<String>) -> String {
    text.as_deref().map_or_else(String::new, quoted)
}

/// Quotes text that contains separators, quotes or line ends.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
