//! Numbers and names as text.

use crate::bench::Results;

/// Three significant figures, such as "0.0123", "1.23", "1,230"; a power of ten for very large or small values.
pub fn figures(x: f64) -> String {
    // Rounded first, because 9.999 becomes 10.0.
    let scientific = format!("{x:.2e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return x.to_string() };
    match exponent.parse::<i32>() {
        _ if x == 0.0 => "0".into(),
        Ok(e @ 0..=2) => format!("{x:.*}", 2 - e as usize),
        Ok(3..=8) => thousands(x.round() as u64),
        Ok(e @ -3..=-1) => format!("{x:.*}", (2 - e) as usize),
        _ => format!("{mantissa}e{exponent}"),
    }
}

/// With thousands separators: "12,345".
pub fn thousands(x: u64) -> String {
    let digits = x.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Bytes in decimal units, such as "12.6 MB".
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{} {}", figures(value), units[unit])
}

/// A count with a noun: "one thing", "5 things".
pub fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("one {thing}") } else { format!("{} {thing}s", thousands(n as u64)) }
}

/// A label for each machine: the adapter's name up to a parenthesis, or the full name and a number if two would be equal.
/// Incomplete results are marked.
pub fn labels(all: &[Results]) -> Vec<String> {
    let names: Vec<_> = all.iter().map(|results| results.adapter.name.trim()).collect();
    let short: Vec<_> = names.iter().map(|name| name.split(" (").next().unwrap_or(name)).collect();
    let once = |names: &[&str], index: usize| names.iter().filter(|name| **name == names[index]).count() == 1;
    let label = |index: usize| match () {
        () if once(&short, index) => short[index].to_owned(),
        () if once(&names, index) => names[index].to_owned(),
        () => format!("{} #{}", names[index], index + 1),
    };
    let complete = |index: usize| if all[index].complete { "" } else { " (incomplete)" };
    (0..all.len()).map(|index| label(index) + complete(index)).collect()
}

/// Summary of the gates of results, and whether all passed.
pub fn gates(results: &Results) -> (String, bool) {
    let red = results.rows.iter().filter(|row| row.gate != "pass").count();
    match (red, results.rows.len()) {
        (_, 0) => ("no case ran".into(), false),
        (0, _) if results.complete => ("all green".into(), true),
        (0, _) => ("green so far".into(), true),
        (red, _) => (format!("{} red", count(red, "gate")), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_figures() {
        let cases = [
            (0.0, "0"),
            (0.000_123_4, "1.23e-4"),
            (0.012_34, "0.0123"),
            (0.9996, "1.00"),
            (1.234, "1.23"),
            (99.96, "100"),
            (999.6, "1,000"),
            (12_345.6, "12,346"),
            (1.5e12, "1.50e12"),
        ];
        for (x, text) in cases {
            assert_eq!(figures(x), text, "{x}");
        }
    }

    #[test]
    fn byte_units_change_after_rounding() {
        let cases =
            [(0, "0 B"), (999, "999 B"), (999_600, "1.00 MB"), (12_582_912, "12.6 MB"), (u64::MAX, "18,446,744 TB")];
        for (n, text) in cases {
            assert_eq!(bytes(n), text);
        }
    }
}
