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
        ("\u{feff}{}", "not a result of `aft bench`"),
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
    for utf16 in [&[0xff, 0xfe, b'{', 0][..], &[0xfe, 0xff, 0, b'{'], &[b'{', 0, b'}', 0], &[0, b'{', 0, b'}']] {
        let fault = fault(utf16);
        assert!(fault.starts_with("text in UTF-16") && fault.contains("Save it as UTF-8"), "{fault}");
    }
    let nested = "[".repeat(100_000);
    assert!(fault(nested.as_bytes()).starts_with("no JSON ("));
}

/// As editors on Windows begin a text.
#[test]
fn a_byte_order_mark_is_skipped() {
    let json = [b"\xef\xbb\xbf", &*serde_json::to_vec(&slow()).unwrap()].concat();
    assert_eq!(read("some.json", &json).unwrap(), slow());
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

/// A folder with the files a.json, b.json and cut.json.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, results) in [("a.json", slow()), ("b.json", quick())] {
        fs::write(folder.path().join(name), serde_json::to_vec(&results).unwrap()).unwrap();
    }
    fs::write(folder.path().join("cut.json"), &serde_json::to_vec(&slow()).unwrap()[..500]).unwrap();
    folder
}

/// `aft bench` in a folder.
fn bench(folder: &TempDir, arguments: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_aft"));
    program.arg("bench").args(arguments.split_whitespace()).current_dir(folder);
    program
}

/// `aft bench compare` in a folder of its own.
fn compare(arguments: &str) -> (TempDir, Output) {
    let folder = folder();
    let output = bench(&folder, &format!("compare {arguments}")).output().unwrap();
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
        ("a.json --html .", 4, "error: ."),
        ("", 2, "error: "),
    ] {
        let (folder, output) = compare(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(expected) && output.stdout.is_empty(), "{arguments}: {text}");
        assert!(!folder.path().join("page.html").exists());
    }
}

/// A glob after --html gives it the first file as its value.
#[test]
fn inputs_and_other_files_are_not_overwritten() {
    for (arguments, code, expected) in [
        ("compare --html a.json b.json", 2, "error: a.json is no HTML page"),
        ("compare a.json --html a.json", 2, "error: a.json is no HTML page"),
        ("compare a.json --html notes.txt", 2, "error: notes.txt is no HTML page"),
        ("compare a.json --html link.html", 2, "error: link.html is no HTML page"),
        ("compare a.json page.html --html page.html", 2, "error: --html page.html is the input page.html"),
        ("compare a.json page.html --html ./page.html", 2, "error: --html ./page.html is the input page.html"),
        ("compare a.json --markdown --html -", 2, "error: --markdown and --html both write to stdout"),
        // Before an adapter is asked for.
        (
            "--adapter no-such-gpu -o page.html --html page.html",
            2,
            "error: --output and --html both write to page.html",
        ),
        ("--adapter no-such-gpu -o new --html ./new", 2, "error: --output and --html both write to ./new"),
        ("--adapter no-such-gpu --html -", 2, "error: --output and --html both write to stdout"),
        ("--adapter no-such-gpu -o new.json --html a.json", 2, "error: a.json is no HTML page"),
        ("--adapter no-such-gpu -o nowhere/new.json", 4, "error: nowhere/new.json"),
        ("--adapter no-such-gpu -o .", 4, "error: ."),
        ("--adapter all -o nowhere/new.json", 4, "error: nowhere/new"),
    ] {
        let folder = folder();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        fs::write(folder.path().join("page.html"), "<!doctype html>").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("a.json", folder.path().join("link.html")).unwrap();
        #[cfg(not(unix))]
        fs::copy(folder.path().join("a.json"), folder.path().join("link.html")).unwrap();
        let contents = || {
            let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            paths.map(|path| (fs::read(&path).unwrap(), path)).collect::<std::collections::BTreeSet<_>>()
        };
        let before = contents();
        let output = bench(&folder, arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
        assert!(text.starts_with(expected) && output.stdout.is_empty(), "{arguments}: {text}");
        assert!(contents() == before, "{arguments}");
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Stdio;

    use super::*;

    /// `<(cat a.json)` of a shell is a pipe, too.
    #[test]
    fn results_are_read_from_a_pipe() {
        let folder = folder();
        let json = fs::read(folder.path().join("a.json")).unwrap();
        let mut child = bench(&folder, "compare /dev/stdin b.json");
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &json).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), report::markdown(&[slow(), quick()]));
        let (_folder, output) = compare("/dev/zero");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(4) && text.starts_with("error: /dev/zero: no results: more than"),
            "{text}"
        );
    }

    #[test]
    fn a_page_keeps_its_mode_and_a_link_leads_to_it() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let page = report::html(&[slow(), quick()]);
        let write = |to: &str| bench(&folder, &format!("compare a.json b.json --html {to}")).output().unwrap();
        fs::write(at("page.html"), "<html>").unwrap();
        fs::set_permissions(at("page.html"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("page.html", at("link.html")).unwrap();
        assert!(write("link.html").status.success());
        assert!(at("link.html").is_symlink());
        assert_eq!(fs::read_to_string(at("page.html")).unwrap(), page);
        assert_eq!(fs::metadata(at("page.html")).unwrap().permissions().mode() & 0o777, 0o600);
        for stdout in ["-", "/dev/stdout"] {
            assert_eq!(String::from_utf8(write(stdout).stdout).unwrap(), page);
        }
        assert!(!at("-").exists());
    }

    #[test]
    fn pipes_are_written_through_and_sockets_refused() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read_to_string(pipe).unwrap()
        });
        // With the pipe replaced by a file, the reader would wait for ever.
        let output = bench(&folder, "compare a.json --html pipe").output().unwrap();
        assert!(output.status.success() && fs::metadata(at("pipe")).unwrap().file_type().is_fifo(), "{output:?}");
        assert_eq!(reader.join().unwrap(), report::html(&[slow()]));
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for refused in ["compare a.json --html socket", "--adapter no-such-gpu -o socket"] {
            let output = bench(&folder, refused).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(4) && text.starts_with("error: socket: neither a file"), "{text}");
        }
        assert!(fs::metadata(at("socket")).unwrap().file_type().is_socket());
    }

    /// As root, a program that replaces it takes the device from everyone.
    #[test]
    fn a_device_stays_a_device() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        symlink("/dev/null", at("null")).unwrap();
        let output = bench(&folder, "compare a.json --html null").output().unwrap();
        assert!(output.status.success() && at("null").is_symlink(), "{output:?}");
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
