//! Rows out of CSV.

use aft_wgpu::bench::Row;
use serde_json::{Map, Value};

/// The cells of a CSV text.
pub fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    rows
}

/// A line of CSV as a row, whose columns after the eight about the run are its fields.
pub fn row(head: &[String], cells: &[String]) -> Row {
    let texts = ["op", "form", "direction", "gate", "clock", "limit", "plan"];
    let value = |name: &String, cell: &String| match cell.as_str() {
        "" => Value::Null,
        text if texts.contains(&name.as_str()) => text.into(),
        number => serde_json::from_str(number).unwrap(),
    };
    let mut fields: Map<String, Value> =
        head.iter().zip(cells).skip(8).map(|(name, cell)| (name.clone(), value(name, cell))).collect();
    let ends = ["percent_spread_min", "percent_spread_max"].map(|end| fields.remove(end).unwrap());
    fields.insert("percent_spread".into(), if ends[0].is_null() { Value::Null } else { ends.to_vec().into() });
    serde_json::from_value(fields.into()).unwrap()
}
