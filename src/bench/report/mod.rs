//! Reports: Markdown and one HTML page of several machines side by side; CSV and JSON lines of one machine.
//!
//! Markdown and HTML show the same content: `tables` defines it, the formats render it.

mod axis;
mod bars;
mod csv;
mod html;
mod jsonl;
mod lines;
mod markdown;
mod svg;
mod table;
mod tables;
mod words;

pub use csv::csv;
pub use html::html;
pub use jsonl::jsonl;
pub use markdown::markdown;
