//! Rules that hold for every source file: a kernel is declared once, memory frees itself, and one type says which AFT.

use std::fs;
use std::path::Path;

use super::ROOT;

/// The Rust files of `src`, as paths below it, with their texts.
pub fn sources() -> Vec<(String, String)> {
    let root = Path::new(ROOT).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 100);
    files
}

/// The lines of `src` that `found` holds for, comments left out.
fn lines(found: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut all = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            if found(&name, code) {
                all.push(format!("src/{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    all
}

#[test]
fn a_kernel_is_declared_once() {
    // `fragment!` includes every WGSL file.
    let included =
        lines(|name, line| name != "gpu/kernel.rs" && line.contains("include_str!") && line.contains("wgsl"));
    assert!(included.is_empty(), "WGSL that is included by hand:\n{}", included.join("\n"));
    assert_eq!(lines(|name, line| name == "gpu/kernel.rs" && line.contains("include_str!")).len(), 1);

    let params = lines(|_, line| line.contains(" params! {") || line.starts_with("params! {"));
    assert!(params.is_empty(), "parameters beside a declaration:\n{}", params.join("\n"));

    let strides = lines(|_, line| line.contains("_stride: ") && line.contains(".stride()"));
    assert!(strides.is_empty(), "strides of planes that are filled in by hand:\n{}", strides.join("\n"));
}

#[test]
fn memory_is_not_given_back_by_hand() {
    let rooms = ["gpu/", "ops/", "nn/", "models/", "generate/", "train/", "apply/", "check/", "bench/"];
    let by_hand = |line: &str| ["recycle", ".release("].iter().any(|word| line.contains(word));
    let calls = lines(|name, line| rooms.iter().any(|room| name.starts_with(room)) && by_hand(line));
    assert!(calls.is_empty(), "memory that is given back by hand:\n{}", calls.join("\n"));
}

#[test]
fn which_aft_is_said_once() {
    let elsewhere = lines(|name, line| {
        let declares = ["Simple,", "Conv1d,", "Conv2d,"].contains(&line.trim());
        name != "form.rs"
            && (declares || ["\"simple\" =>", "=> \"simple\"", "\"conv2d\""].iter().any(|text| line.contains(text)))
    });
    assert!(elsewhere.is_empty(), "forms of AFT beside src/form.rs:\n{}", elsewhere.join("\n"));
}
