//! The map of the house in src/lib.rs matches the tree; README stays short, and no document links to what is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::ROOT;

const LIB: &str = include_str!("../../src/lib.rs");
const README: &str = include_str!("../../README.md");
const MANIFEST: &str = include_str!("../../Cargo.toml");

/// The paths in the map: the first word of each line of the block below its heading.
fn mapped() -> BTreeSet<String> {
    let docs: String = LIB.lines().map_while(|line| line.strip_prefix("//!")).flat_map(|line| [line, "\n"]).collect();
    let section = docs.split("## The map of the house").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    block.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_path_of_the_map_exists() {
    let map = mapped();
    assert!(map.len() > 15, "{map:?}");
    for path in map {
        assert!(Path::new(ROOT).join(&path).exists(), "{path} is in the map and not in the tree");
    }
}

#[test]
fn every_room_is_in_the_map() {
    let map = mapped();
    for parent in ["src", "src/bin", "shaders", "tests"] {
        for entry in fs::read_dir(Path::new(ROOT).join(parent)).unwrap() {
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

#[test]
fn readme_fits_a_few_screens() {
    let (lines, bytes) = (README.lines().count(), README.len());
    assert!(lines <= 200 && bytes <= 16_000, "README.md has {lines} lines and {bytes} bytes: at most 200 and 16,000");
}

#[test]
fn documents_link_to_what_is_there_and_in_the_package() {
    let mut links = 0;
    for document in documents() {
        for target in targets(&fs::read_to_string(&document).unwrap()) {
            let path = document.parent().unwrap().join(target).canonicalize();
            let path = path.unwrap_or_else(|error| panic!("{}: {target}: {error}", document.display()));
            let path = path.strip_prefix(Path::new(ROOT).canonicalize().unwrap()).unwrap().to_owned();
            assert!(packed(&path), "{}: {target} is not in the package (Cargo.toml, include)", document.display());
            links += 1;
        }
    }
    assert!(links > 15, "{links} links");
}

/// The documents of the package.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut documents = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for folder in ["docs", "results"] {
        let files = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    documents
}

/// What a document links to, but for other sites.
fn targets(document: &str) -> impl Iterator<Item = &str> {
    let links = document.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    links.filter(|target| !target.is_empty() && !target.contains("://"))
}

/// Whether `include` names the file or a folder of it.
fn packed(path: &Path) -> bool {
    let line = MANIFEST.lines().find(|line| line.starts_with("include = ")).unwrap();
    line.split('"').skip(1).step_by(2).any(|pattern| match pattern.strip_prefix('/').unwrap().split_once('*') {
        Some((start, end)) => {
            let path = path.to_str().unwrap();
            path.starts_with(start) && path.ends_with(end)
        }
        None => path.starts_with(pattern.trim_start_matches('/')),
    })
}

#[test]
fn links_are_found() {
    let found: Vec<_> = targets("[a](b.md) ![c](d/e.svg#f) [g](https://h) [i](#j)").collect();
    assert_eq!(found, ["b.md", "d/e.svg"]);
    assert!(packed(Path::new("LICENSE-MIT")) && packed(Path::new("src/lib.rs")) && !packed(Path::new("web/serve.mjs")));
}
