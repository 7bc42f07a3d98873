//! README's map of the house matches the tree.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::Path;

const README: &str = include_str!("../README.md");

/// The paths in the map: the first word of each line of the block below its heading.
fn mapped() -> BTreeSet<String> {
    let section = README.split("## The map of the house").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    block.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_path_of_the_map_exists() {
    let map = mapped();
    assert!(map.len() > 15, "{map:?}");
    for path in map {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists(), "{path} is in the map and not in the tree");
    }
}

#[test]
fn every_room_is_in_the_map() {
    let map = mapped();
    for parent in ["src", "src/bin", "shaders", "tests"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(parent)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let room = entry.file_type().unwrap().is_dir() && name != "bin";
            let file = name.ends_with(".rs") && name != "lib.rs";
            if room || file {
                let path = format!("{parent}/{name}");
                assert!(map.contains(&path), "{path} is in the tree and not in the map");
            }
        }
    }
}
