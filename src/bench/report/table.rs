//! A table, independent of the output format.

use super::words::figures;

/// The content of a table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub title: String,
    /// A sentence on how to read it; may be empty.
    pub note: String,
    pub head: Vec<String>,
    /// The first cell of a row is its heading.
    pub rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    pub text: String,
    /// The number that `text` rounds, in the unit of the text.
    pub value: Option<f64>,
    /// Whether the cell shows an error.
    pub red: bool,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A missing value.
    pub fn none() -> Self {
        Self::text("–")
    }

    pub fn red(text: impl Into<String>) -> Self {
        Self { red: true, ..Self::text(text) }
    }

    pub fn number(value: f64, text: impl Into<String>) -> Self {
        Self { value: Some(value), ..Self::text(text) }
    }

    /// A number, if there is one, with three significant figures and its unit.
    pub fn maybe(value: Option<f64>, unit: &str) -> Self {
        value.map_or_else(Self::none, |value| Self::number(value, format!("{}{unit}", figures(value))))
    }

    /// A count, if there is one.
    pub fn size(size: Option<u32>) -> Self {
        size.map_or_else(Self::none, |size| Self::number(size.into(), size.to_string()))
    }
}

impl Table {
    pub fn new(title: impl Into<String>, note: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|&name| name.to_owned()).collect();
        Self { title: title.into(), note: note.into(), head, rows: Vec::new() }
    }

    /// Whether a column has only numbers, apart from missing or red cells.
    pub fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|row| row.get(column));
        cells().any(|cell| cell.value.is_some())
            && cells().all(|cell| cell.value.is_some() || cell.red || cell.text == Cell::none().text)
    }
}
