//! The files in results/: they are read, every gate is green, what is made from them is up to date, and results/README.md names
//! every field. `make results` (AFT_UPDATE=1) writes what is made: results/RESULTS.md and the pictures in docs/.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

mod bench_results;
mod pictures;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aft_wgpu::bench::{Results, read, report};
use bench_results::{quick, slow};
use serde_json::Value;

const FORMAT: &str = include_str!("../results/README.md");
const HEADING: &str = "\
# Results

Made by `make results` from the JSON files in this folder. [README.md](README.md) says how they are measured, what every column and
field means, and how to contribute a file.

";

/// Every file, by name.
fn files() -> Vec<(PathBuf, Results)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let results =
            read(&path.display().to_string(), &fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        (path, results)
    };
    paths.into_iter().map(read).collect()
}

/// What results/RESULTS.md holds.
fn page(all: &[Results]) -> String {
    HEADING.to_owned() + &report::markdown(all)
}

/// Fails unless the file holds what is made from the results; writes it where AFT_UPDATE is set.
fn expect_file(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("AFT_UPDATE").is_some() {
        return fs::write(file, made).unwrap();
    }
    let there = fs::read_to_string(file).unwrap_or_default();
    assert!(there == made, "{path} is not what is made from the files in results/: run `make results`");
}

#[test]
fn every_gate_is_green() {
    for (path, results) in files() {
        let red: Vec<_> = results.rows.iter().filter(|row| row.gate != "pass").collect();
        assert!(red.is_empty(), "{}: {red:#?}", path.display());
        assert!(!results.rows.is_empty(), "{} holds no results", path.display());
    }
}

#[test]
fn the_page_shows_the_files() {
    let all: Vec<_> = files().into_iter().map(|(_, results)| results).collect();
    expect_file("results/RESULTS.md", &page(&all));
}

#[test]
fn a_new_file_changes_the_page() {
    assert!(page(&[slow()]) != page(&[slow(), quick()]));
}

#[test]
fn the_pictures_are_drawn_from_the_reference_and_the_files() {
    let all: Vec<_> = files().into_iter().map(|(_, results)| results).collect();
    expect_file("docs/forms.svg", &pictures::forms());
    expect_file("docs/times.svg", &pictures::times(&all));
}

#[test]
fn the_format_names_every_field() {
    let mut fields = BTreeSet::new();
    let incomplete = Results { complete: false, ..slow() };
    names("", &serde_json::to_value(incomplete).unwrap(), &mut fields);
    let (_, format) = FORMAT.split_once("## The format").expect("results/README.md has lost its format");
    let documented = format.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(documented.map(str::to_owned).collect::<BTreeSet<_>>(), fields);
    let heading = format!("## The format, `{}`", slow().schema);
    assert!(FORMAT.contains(&heading), "results/README.md documents another version");
}

/// The paths of the fields of a value, as "rows[].op". What the driver names, as granted limits, is no field.
fn names(path: &str, value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if path != "adapter.granted" => {
            let dot = if path.is_empty() { "" } else { "." };
            object.iter().for_each(|(name, value)| names(&format!("{path}{dot}{name}"), value, fields));
        }
        Value::Array(list) if list.iter().all(Value::is_object) && !list.is_empty() => {
            list.iter().for_each(|value| names(&format!("{path}[]"), value, fields));
        }
        _ => drop(fields.insert(path.to_owned())),
    }
}
