//! Reads results from a file, and checks that they are complete, of this version, and plausible.

use serde_json::Value;

use super::{Adapter, Limit, Results, Row, SCHEMA};
use crate::error::{Error, Result};

/// Reads the results in `json`, the content of the file `name`.
///
/// # Errors
/// [`Error::Format`], with the file and the position: JSON that is cut short or is not a result, another [`SCHEMA`], a row with a
/// missing field, a number that is not finite, negative or out of order, a gate other than "pass" or "fail", a failed gate with
/// times, or a passed gate without.
pub fn read(name: &str, json: &[u8]) -> Result<Results> {
    parse(json).map_err(|message| Error::Format { path: name.into(), message })
}

fn parse(json: &[u8]) -> Result<Results, String> {
    // Some editors and PowerShell start a file with a byte-order mark.
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..] = json {
        return Err(
            "text in UTF-16, as PowerShell's > writes it. Save it as UTF-8, or let `aft bench --output FILE` write it"
                .into(),
        );
    }
    let value: Value = serde_json::from_slice(json).map_err(|error| match error.is_eof() {
        true => format!("cut short ({error})"),
        false => format!("no JSON ({error})"),
    })?;
    match value.get("schema") {
        Some(Value::String(schema)) if schema == SCHEMA => {}
        Some(schema) => return Err(format!("its schema is {schema}, and this program reads \"{SCHEMA}\"")),
        None => return Err("not a result of `aft bench`: it has no \"schema\"".into()),
    }
    all_fields(&value)?;
    // Parses the text again, because these errors name line and column.
    let results: Results = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    possible(&results)?;
    Ok(results)
}

/// Checks that each row has all fields, because serde reads a missing field as null.
fn all_fields(value: &Value) -> Result<(), String> {
    let complete = serde_json::to_value(Row::default()).map_err(|error| error.to_string())?;
    let fields = complete.as_object().into_iter().flat_map(|row| row.keys());
    let rows = value.get("rows").and_then(Value::as_array).into_iter().flatten();
    for (index, row) in rows.enumerate() {
        if let Some(field) = fields.clone().find(|field| row.get(field).is_none()) {
            return Err(format!("rows[{index}] has no \"{field}\"; what has no meaning for a row is null"));
        }
    }
    Ok(())
}

/// Checks that the values are plausible.
fn possible(results: &Results) -> Result<(), String> {
    adapter(&results.adapter).map_err(|fault| format!("adapter: {fault}"))?;
    for (index, limit) in results.limits.iter().enumerate() {
        let fault = |fault| format!("limits[{index}] ({}): {fault}", limit.name);
        limit_figures(limit).map_err(fault)?;
        if results.limits[..index].iter().any(|other| other.name == limit.name) {
            return Err(fault("there is one of this name already".into()));
        }
    }
    for (index, row) in results.rows.iter().enumerate() {
        let fault = |fault| format!("rows[{index}] ({} {}): {fault}", row.op, row.direction);
        sizes(row).and_then(|()| gate(row)).and_then(|()| row_figures(row)).map_err(fault)?;
        if let (Some(limit), Some(_)) = (&row.limit, row.percent_of_limit)
            && !results.limits.iter().any(|known| known.name == *limit)
        {
            return Err(fault(format!("its limit \"{limit}\" is not among the limits")));
        }
    }
    Ok(())
}

fn adapter(adapter: &Adapter) -> Result<(), String> {
    clock(&adapter.clock)?;
    not_negative("clock_resolution_ns", adapter.clock_resolution_ns)
}

fn limit_figures(limit: &Limit) -> Result<(), String> {
    not_negative("value", limit.value)?;
    not_negative("min", limit.min)?;
    not_negative("max", limit.max)?;
    ordered("min, value and max", &[limit.min, limit.value, limit.max])
}

fn sizes(row: &Row) -> Result<(), String> {
    let sizes = [("B", row.B), ("T", row.T), ("D", row.D), ("H", row.H), ("repetitions", row.repetitions)];
    match sizes.iter().find(|(_, size)| *size == Some(0)) {
        Some((name, _)) => Err(format!("{name} is 0")),
        None => Ok(()),
    }
}

/// Checks that a row has times if and only if it passed.
fn gate(row: &Row) -> Result<(), String> {
    let times = [
        ("median_ms", row.median_ms.is_some()),
        ("min_ms", row.min_ms.is_some()),
        ("p90_ms", row.p90_ms.is_some()),
        ("repetitions", row.repetitions.is_some()),
        ("clock", row.clock.is_some()),
    ];
    let ratios = [
        ("percent_of_limit", row.percent_of_limit.is_some()),
        ("percent_spread", row.percent_spread.is_some()),
        ("tokens_per_second", row.tokens_per_second.is_some()),
    ];
    match row.gate.as_str() {
        "pass" => match times.iter().find(|(_, there)| !there) {
            Some((name, _)) => Err(format!("it passed its gate, and its {name} is null")),
            None => Ok(()),
        },
        "fail" => match times.iter().chain(&ratios).find(|(_, there)| *there) {
            Some((name, _)) => Err(format!("it failed its gate, and has {name}")),
            None => Ok(()),
        },
        other => Err(format!("its gate is \"{other}\", neither \"pass\" nor \"fail\"")),
    }
}

fn row_figures(row: &Row) -> Result<(), String> {
    let figures = [
        ("flops", row.flops),
        ("bytes", row.bytes),
        ("percent_of_limit", row.percent_of_limit),
        ("tokens_per_second", row.tokens_per_second),
        ("error", row.error),
    ];
    for (name, figure) in figures {
        figure.map_or(Ok(()), |figure| not_negative(name, figure))?;
    }
    let times = [("min_ms", row.min_ms), ("median_ms", row.median_ms), ("p90_ms", row.p90_ms)];
    for (name, time) in times {
        time.map_or(Ok(()), |time| positive(name, time))?;
    }
    ordered("min_ms, median_ms and p90_ms", &times.map(|(_, time)| time).into_iter().flatten().collect::<Vec<_>>())?;
    if let Some([low, high]) = row.percent_spread {
        not_negative("percent_spread", low)?;
        not_negative("percent_spread", high)?;
        ordered("percent_spread with percent_of_limit", &[low, row.percent_of_limit.unwrap_or(low), high])?;
    }
    row.clock.as_deref().map_or(Ok(()), clock)
}

fn clock(clock: &str) -> Result<(), String> {
    match clock {
        "timestamp" | "wall" => Ok(()),
        other => Err(format!("its clock is \"{other}\", neither \"timestamp\" nor \"wall\"")),
    }
}

fn not_negative(name: &str, figure: f64) -> Result<(), String> {
    if figure.is_finite() && figure >= 0.0 { Ok(()) } else { Err(format!("{name} is {figure}")) }
}

fn positive(name: &str, time: f64) -> Result<(), String> {
    if time.is_finite() && time > 0.0 { Ok(()) } else { Err(format!("{name} is {time}, which is no time")) }
}

fn ordered(names: &str, figures: &[f64]) -> Result<(), String> {
    if figures.is_sorted() { Ok(()) } else { Err(format!("{names} are out of order: {figures:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_json_cannot_write_are_faults_too() {
        for figure in [f64::NAN, f64::INFINITY, -1.0] {
            let limit = Limit { name: "fma".into(), value: figure, unit: "GFLOP/s".into(), min: figure, max: figure };
            assert!(limit_figures(&limit).is_err(), "{figure}");
            let times = Row { min_ms: Some(figure), median_ms: Some(figure), p90_ms: Some(figure), ..Row::default() };
            assert!(row_figures(&times).is_err(), "{figure}");
        }
    }

    #[test]
    fn no_time_is_zero() {
        assert!(positive("median_ms", 0.0).is_err() && not_negative("error", 0.0).is_ok());
    }
}
