//! JSON lines.

use serde::Serialize;

use crate::bench::result::is_complete;
use crate::bench::{Adapter, Limit, Results, Row, Skipped};

/// One line; `kind` names the variant.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line<'a> {
    Adapter {
        schema: &'a str,
        #[serde(skip_serializing_if = "is_complete")]
        complete: bool,
        #[serde(flatten)]
        adapter: &'a Adapter,
    },
    Limit(&'a Limit),
    Row(&'a Row),
    Skipped(&'a Skipped),
}

/// Results as one JSON object per line: the adapter with the schema, then limits, rows and skipped cases. `kind` is "adapter",
/// "limit", "row" or "skipped".
pub fn jsonl(results: &Results) -> String {
    let Results { schema, complete, adapter, limits, rows, skipped } = results;
    let lines = std::iter::once(Line::Adapter { schema, complete: *complete, adapter })
        .chain(limits.iter().map(Line::Limit))
        .chain(rows.iter().map(Line::Row))
        .chain(skipped.iter().map(Line::Skipped));
    // Serialising fails only on keys that are not strings; these objects have none.
    lines.filter_map(|line| serde_json::to_string(&line).ok()).map(|line| line + "\n").collect()
}
