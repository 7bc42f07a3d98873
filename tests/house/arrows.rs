//! Imports between the files of `src` point down: no circle among files, and rooms depend on rooms below them only.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{Files, arrows};
use super::sources::sources;

/// Folders whose files may still import each other in a circle, each with its reason. All others may not.
const OPEN: &[(&str, &str)] = &[("ops/aft/", "its files will be passes, with the order of these in two files on top")];

/// Rooms from top to bottom: a file imports from its own room and from lower lines. The browser's crate (web/) is above all of them.
const ORDER: &[&[&str]] = &[
    &["bin", "catalogue"],
    &["bench"],
    &["check"],
    &["apply", "train", "generate"],
    &["models"],
    &["nn"],
    &["ops"],
    &["gpu"],
    &["reference", "data", "form"],
    &["error"],
    &["printable", "random"],
];

/// Arrows that neither rule counts, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("error.rs", "data/error.rs", "the error type of the library has one variant for each room's own errors")];

/// A file, and another that it imports from.
type Arrow = (String, String);

/// The arrows of `src` without the exceptions.
fn all() -> BTreeSet<Arrow> {
    let mut all = arrows(&Files::of(&sources()));
    assert!(all.len() > 500, "{} arrows", all.len());
    for (from, to, reason) in EXCEPTIONS {
        assert!(
            all.remove(&(from.to_string(), to.to_string())),
            "src/{from} -> src/{to} is no arrow any more: {reason}"
        );
    }
    all
}

/// The folder of `src`, or the file without its ending.
fn room(file: &str) -> &str {
    let first = file.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Where a room is in the order, from the top.
fn floor(room: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&room))
}

fn lines<'a>(arrows: impl IntoIterator<Item = &'a Arrow>) -> String {
    arrows.into_iter().map(|(from, to)| format!("src/{from} -> src/{to}\n")).collect()
}

/// The arrows that are part of a circle: their end leads back to their start.
fn circular(arrows: &BTreeSet<Arrow>) -> BTreeSet<Arrow> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    arrows.iter().for_each(|(from, to)| next.entry(from).or_default().push(to));
    let leads = |start: &str, goal: &str| {
        let (mut seen, mut open) = (BTreeSet::from([start]), vec![start]);
        while let Some(file) = open.pop() {
            open.extend(next.get(file).into_iter().flatten().filter(|to| seen.insert(to)));
        }
        seen.contains(goal)
    };
    arrows.iter().filter(|(from, to)| leads(to, from)).cloned().collect()
}

#[test]
fn no_circle_among_files() {
    let all = all();
    for (folder, reason) in OPEN {
        let within =
            all.iter().filter(|(from, to)| from.starts_with(folder) && to.starts_with(folder)).cloned().collect();
        assert!(
            !circular(&within).is_empty(),
            "src/{folder} has no circle any more, so that OPEN need not list it: {reason}"
        );
    }
    let open = |file: &str| OPEN.iter().any(|(folder, _)| file.starts_with(folder));
    let circles = circular(&all.into_iter().filter(|(from, to)| !open(from) && !open(to)).collect());
    assert!(circles.is_empty(), "imports in a circle:\n{}", lines(&circles));
}

#[test]
fn rooms_import_from_rooms_below() {
    let all = all();
    let upwards = all.iter().filter(|(from, to)| {
        let [from, to] = [from, to].map(|file| room(file));
        let floor = |room| floor(room).unwrap_or_else(|| panic!("src/{room} has no place in ORDER"));
        from != "lib" && from != to && floor(from) >= floor(to)
    });
    let upwards = lines(upwards);
    assert!(upwards.is_empty(), "imports from a room that is not below:\n{upwards}");
}

#[test]
fn circles_are_found_with_what_hangs_on_them_left_out() {
    let arrow = |(from, to): (&str, &str)| (from.to_owned(), to.to_owned());
    let given = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("x", "a"), ("e", "f"), ("f", "e")];
    let circles = circular(&given.map(arrow).into());
    let expected = [("a", "b"), ("b", "c"), ("c", "a"), ("e", "f"), ("f", "e")];
    assert_eq!(circles, expected.map(arrow).into());
    assert!(circular(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")].map(arrow).into()).is_empty());
    assert_eq!((room("bench/cases/aft.rs"), room("error.rs"), floor("gpu") > floor("bench")), ("bench", "error", true));
}
