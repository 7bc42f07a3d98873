//! The files in results/: they are read, every gate is green, README shows them, and results/README.md names every field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

mod bench_results;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aft_wgpu::bench::{Results, read, report};
use bench_results::{quick, slow};
use serde_json::Value;

const README: &str = include_str!("../README.md");
const FORMAT: &str = include_str!("../results/README.md");
const BEGIN: &str = "<!-- results -->\n";
const END: &str = "<!-- end of results -->";

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

/// What README has to show of the results.
fn shown(all: &[Results]) -> String {
    if all.is_empty() { String::new() } else { report::markdown(all) }
}

/// What stands between the markers.
fn between(readme: &str) -> &str {
    let (_, rest) = readme.split_once(BEGIN).expect("README has lost its first marker");
    rest.split_once(END).expect("README has lost its second marker").0
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
fn readme_shows_the_files() {
    let all: Vec<_> = files().into_iter().map(|(_, results)| results).collect();
    assert!(between(README) == shown(&all), "README.md does not show what is in results/: run `make results`");
}

#[test]
fn a_new_file_changes_readme() {
    assert!(shown(&[slow()]) != shown(&[]) && shown(&[slow()]) != shown(&[slow(), quick()]));
    assert_eq!(between(&format!("a\n{BEGIN}b\n{END}\nc")), "b\n");
}

#[test]
fn the_format_names_every_field() {
    let mut fields = BTreeSet::new();
    names("", &serde_json::to_value(slow()).unwrap(), &mut fields);
    let documented = FORMAT.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
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
