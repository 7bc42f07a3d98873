//! Charts with tables, and tables alone, as HTML.

use crate::bench::report::svg::escape;
use crate::bench::report::table::{Cell, Table};

/// A chart and the table of its numbers.
pub(super) fn figure(caption: &str, chart: &str, table: &Table) -> String {
    format!("<figure>\n<figcaption>{}</figcaption>\n{chart}{}</figure>\n", escape(caption), rendered(table))
}

/// A table that scrolls in its own frame.
pub(super) fn rendered(table: &Table) -> String {
    let align = |column| if table.is_numeric(column) { " class=\"n\"" } else { "" };
    let head = table.head.iter().enumerate();
    let head: String = head.map(|(i, name)| format!("<th scope=\"col\"{}>{}</th>", align(i), escape(name))).collect();
    let row = |row: &Vec<Cell>| {
        let cells: String = row.iter().enumerate().map(|(i, cell)| rendered_cell(i, align(i), cell)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}, table\">\n\
         <table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n",
        escape(&table.title)
    )
}

fn rendered_cell(column: usize, align: &str, cell: &Cell) -> String {
    let text = escape(&cell.text);
    let inner = match cell.value {
        Some(value) => format!("<data value=\"{value}\">{text}</data>"),
        None if cell.red => format!("<span class=\"red\">{text}</span>"),
        None => text,
    };
    // A heading may wrap, but not within a size such as "T = 256".
    let heading = || inner.replace(" = ", "&nbsp;=&nbsp;");
    if column == 0 {
        format!("<th scope=\"row\"{align}>{}</th>", heading())
    } else {
        format!("<td{align}>{inner}</td>")
    }
}
