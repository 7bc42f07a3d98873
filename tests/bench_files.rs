//! Files of results: a broken or foreign one is an error that names it, and what the program makes of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod bench_results;

use std::fs;
use std::process::{Command, Output};

use aft_wgpu::Error;
use aft_wgpu::bench::{Results, read, report};
use bench_results::{quick, slow};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is wrong with the file `some.json` of this content.
fn fault(json: &[u8]) -> String {
    match read("some.json", json) {
        Err(error @ Error::Format { .. }) => {
            let text = error.to_string();
            text.strip_prefix("some.json: ").unwrap_or_else(|| panic!("{text} does not begin with the file")).to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_cut_at_any_length_is_an_error() {
    let mut results = slow();
    results.rows.truncate(2);
    let json = serde_json::to_vec_pretty(&results).unwrap();
    assert_eq!(read("some.json", &json).unwrap(), results);
    for length in 0..json.len() {
        let fault = fault(&json[..length]);
        assert!(fault.starts_with("cut short (EOF"), "{length}: {fault}");
    }
}

#[test]
fn foreign_files_are_errors() {
    for (text, expected) in [
        ("not json", "no JSON ("),
        ("{\"schema\": \"aft-bench/1\"} {}", "no JSON ("),
        ("\u{feff}{}", "no JSON ("),
        ("{\"schema\": 1e999}", "no JSON (number out of range"),
        ("{}", "not a result of `aft bench`"),
        ("[1, 2]", "not a result of `aft bench`"),
        ("null", "not a result of `aft bench`"),
        ("{\"name\": \"package\", \"version\": 1}", "not a result of `aft bench`"),
        ("{\"schema\": \"aft-bench/9\"}", "its schema is \"aft-bench/9\", and this program reads \"aft-bench/1\""),
        ("{\"schema\": 1}", "its schema is 1,"),
        ("{\"schema\": \"aft-bench/1\"}", "missing field `adapter`"),
    ] {
        let fault = fault(text.as_bytes());
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
    assert!(fault(&[0xff, 0xfe, b'{', 0]).starts_with("no JSON ("));
    let nested = "[".repeat(100_000);
    assert!(fault(nested.as_bytes()).starts_with("no JSON ("));
}

#[test]
fn impossible_results_are_errors() {
    for (pointer, value, expected) in [
        ("/rows/0/gate", json!("maybe"), "rows[0] (aft forward): its gate is \"maybe\""),
        ("/rows/0/gate", json!("fail"), "rows[0] (aft forward): it failed its gate, and has median_ms"),
        ("/rows/1/median_ms", json!(null), "rows[1] (aft forward): it passed its gate, and its median_ms is null"),
        ("/rows/1/clock", json!(null), "rows[1] (aft forward): it passed its gate, and its clock is null"),
        ("/rows/1/clock", json!("sundial"), "rows[1] (aft forward): its clock is \"sundial\""),
        ("/rows/1/min_ms", json!(-1.0), "rows[1] (aft forward): min_ms is -1"),
        ("/rows/1/min_ms", json!(0.0), "rows[1] (aft forward): min_ms is 0"),
        ("/rows/1/min_ms", json!(1e9), "rows[1] (aft forward): min_ms, median_ms and p90_ms are out of order"),
        ("/rows/1/flops", json!(-2), "rows[1] (aft forward): flops is -2"),
        ("/rows/1/T", json!(0), "rows[1] (aft forward): T is 0"),
        ("/rows/1/T", json!(-1), "invalid value: integer `-1`"),
        ("/rows/1/percent_of_limit", json!(50), "rows[1] (aft forward): percent_spread with percent_of_limit"),
        ("/rows/1/limit", json!("exp"), "rows[1] (aft forward): its limit \"exp\" is not among the limits"),
        ("/limits/0/value", json!(-3), "limits[0] (fma): value is -3"),
        ("/limits/0/value", json!(null), "invalid type: null, expected f64"),
        ("/limits/0/max", json!(1), "limits[0] (fma): min, value and max are out of order"),
        ("/adapter/clock", json!(""), "adapter: its clock is \"\""),
        ("/adapter/clock_resolution_ns", json!(-1), "adapter: clock_resolution_ns is -1"),
        ("/adapter/software", json!("no"), "invalid type: string \"no\", expected a boolean"),
    ] {
        let mut results = serde_json::to_value(slow()).unwrap();
        *results.pointer_mut(pointer).unwrap() = value;
        let fault = fault(&serde_json::to_vec(&results).unwrap());
        assert!(fault.starts_with(expected), "{pointer}: {fault}");
    }
    let mut twice = slow();
    twice.limits.extend_from_within(..);
    assert!(
        fault(&serde_json::to_vec(&twice).unwrap()).starts_with("limits[1] (fma): there is one of this name already")
    );
}

#[test]
fn a_row_has_every_field_and_no_other() {
    let whole = serde_json::to_value(slow()).unwrap();
    let fields: Vec<String> = whole["rows"][0].as_object().unwrap().keys().cloned().collect();
    let read_with = |change: &dyn Fn(&mut Value)| {
        let mut results = whole.clone();
        change(&mut results["rows"][0]);
        fault(&serde_json::to_vec(&results).unwrap())
    };
    for field in fields {
        let fault = read_with(&|row| drop(row.as_object_mut().unwrap().remove(&field)));
        assert!(fault.starts_with(&format!("rows[0] has no \"{field}\"")), "{fault}");
    }
    assert!(read_with(&|row| row["speed"] = json!("fast")).starts_with("unknown field `speed`"));
}

/// The program in a folder with the files a.json, b.json and cut.json.
fn compare(arguments: &str) -> (TempDir, Output) {
    let folder = TempDir::new().unwrap();
    for (name, results) in [("a.json", slow()), ("b.json", quick())] {
        fs::write(folder.path().join(name), serde_json::to_vec(&results).unwrap()).unwrap();
    }
    fs::write(folder.path().join("cut.json"), &serde_json::to_vec(&slow()).unwrap()[..500]).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_aft"));
    let output =
        program.args(["bench", "compare"]).args(arguments.split_whitespace()).current_dir(&folder).output().unwrap();
    (folder, output)
}

#[test]
fn the_program_shows_files_side_by_side() {
    let all: [Results; 2] = [slow(), quick()];
    for arguments in ["a.json b.json", "a.json b.json --markdown"] {
        let (_folder, output) = compare(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), report::markdown(&all), "{arguments}");
    }
    let (folder, output) = compare("a.json b.json --html page.html");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(fs::read_to_string(folder.path().join("page.html")).unwrap(), report::html(&all));
}

#[test]
fn the_program_names_the_file_that_is_wrong() {
    for (arguments, code, expected) in [
        ("a.json cut.json --html page.html", 4, "error: cut.json: cut short"),
        ("missing.json", 4, "error: missing.json: "),
        (". a.json", 4, "error: .: not a regular file"),
        ("a.json --html nowhere/page.html", 4, "error: nowhere"),
        ("", 2, "error: "),
    ] {
        let (folder, output) = compare(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(expected) && output.stdout.is_empty(), "{arguments}: {text}");
        assert!(!folder.path().join("page.html").exists());
    }
}
