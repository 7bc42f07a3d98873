//! Files that are whole, and of another version, model or run than they say.

use serde_json::{Value, json};

use crate::file::{File, raw};
use crate::reading::{read, refused};

#[test]
fn other_versions_are_refused_by_name() {
    let file = File::whole();
    let format = |version: Value| file.metadata(|m| m["format"] = version);
    refused(&format(json!(2)), "a newer version of aft-wgpu (format 2, this one reads 1)", &"format 2");
    refused(&format(json!(u64::MAX)), "a newer version", &"format 2^64 - 1");
    refused(&format(json!(0)), "an older version of aft-wgpu (format 0", &"format 0");
    for version in [json!(-1), json!(1.5), json!("1"), json!(null), json!([1])] {
        refused(&format(version.clone()), "names no format", &format_args!("format {version}"));
    }
    refused(&file.metadata(|m| drop(m.as_object_mut().unwrap().remove("format"))), "names no format", &"no format");
    // A newer file is named as such even if nothing else in it is as it was.
    let newer = raw(&json!({"__metadata__": {"aft": "{\"format\":7,\"new\":true}"}}).to_string(), &[]);
    refused(&newer, "a newer version of aft-wgpu (format 7", &"a newer file");
}

#[test]
fn a_file_has_its_checksum() {
    let file = File::whole();
    for wrong in [json!(0), json!(-1), json!("0"), json!(null), json!(1e300)] {
        let about = format_args!("the checksum {wrong}").to_string();
        refused(&file.metadata(|m| m["crc32"] = wrong), "damaged", &about);
    }
    let bytes = file.bytes();
    let with = |word: &str, other: &str| {
        let at = bytes.windows(word.len()).position(|w| w == word.as_bytes()).unwrap();
        [&bytes[..at], other.as_bytes(), &bytes[at + word.len()..]].concat()
    };
    refused(&with("crc32", "crc33"), "has no crc32", &"another name for it");
    // The same value in other digits.
    refused(&with("0.0,", "0e0,"), "damaged: its metadata", &"0e0");
}

/// Every object in the metadata, by the path to it.
fn objects<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut serde_json::Map<String, Value>> {
    path.iter().try_fold(value, |value, key| value.get_mut(key))?.as_object_mut()
}

#[test]
fn metadata_has_every_field_and_no_other() {
    let file = File::whole();
    let paths: [&[&str]; 5] = [&[], &["language"], &["train"], &["train", "config"], &["train", "text"]];
    for path in paths.map(|path| path.iter().map(|&key| key.to_owned()).collect::<Vec<_>>()) {
        let unknown = |m: &mut Value| drop(objects(m, &path).unwrap().insert("colour".into(), json!("red")));
        refused(&file.metadata(unknown), "colour", &format_args!("a field unknown in {path:?}"));
        let mut keys = Vec::new();
        file.metadata(|m| keys.extend(objects(m, &path).unwrap().keys().cloned()));
        for key in keys {
            let remove = |m: &mut Value| drop(objects(m, &path).unwrap().remove(&key));
            let part = match key.as_str() {
                "format" => "names no format",
                // A file without a run is a model's.
                "train" => "not a checkpoint",
                key => key,
            };
            refused(&file.metadata(remove), part, &format_args!("{path:?} without {key}"));
            for wrong in [json!([1]), json!({}), json!(null), json!(-1.5), json!(1e300)] {
                let replace = |m: &mut Value| drop(objects(m, &path).unwrap().insert(key.clone(), wrong.clone()));
                refused(&file.metadata(replace), "", &format_args!("{path:?} with {key} = {wrong}"));
            }
        }
    }
}

/// Sizes that would take memory the file does not have.
#[test]
fn sizes_beyond_the_file_are_refused() {
    let file = File::whole();
    for (key, size) in [
        ("layers", 2u64),
        ("layers", 1024),
        ("layers", u64::from(u32::MAX)),
        ("dim", 65_536),
        ("length", 131_072),
        ("mlp_ratio", 64),
        ("rank", 1 << 30),
        ("window", u64::from(u32::MAX)),
        ("dim", 0),
        ("length", 0),
        ("layers", 0),
        ("heads", 2),
    ] {
        // A window beyond the length is the length.
        match read(&file.metadata(|m| m["language"][key] = size.into()), &format_args!("{key} = {size}")) {
            Ok(_) => assert_eq!(key, "window"),
            Err(error) => drop(error),
        }
    }
}

#[test]
fn tensors_are_the_models() {
    let file = File::whole();
    for name in file.floats() {
        let mut missing = file.clone();
        let entry = missing.header.remove(name).unwrap();
        missing.header.insert("train.other".into(), entry.clone());
        refused(&missing.bytes(), &format!("the tensor {name} is missing"), &format_args!("{name} renamed"));
        let other = file.entry(name, |e| {
            let shape: Vec<u64> = serde_json::from_value(e["shape"].clone()).unwrap();
            e["shape"] = json!([1, shape.iter().product::<u64>()]);
        });
        refused(&other, &format!("the tensor {name} is F32 [1, "), &format_args!("{name} of another shape"));
        for dtype in ["I32", "U32"] {
            let other = file.entry(name, |e| e["dtype"] = dtype.into());
            refused(&other, &format!("the tensor {name} is {dtype}"), &format_args!("{name} as {dtype}"));
        }
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let bytes = file.word(name, 1, value.to_bits());
            refused(
                &bytes,
                &format!("the tensor {name} is not finite at element 1"),
                &format_args!("{value} in {name}"),
            );
        }
        if name.starts_with("train.moment2.") {
            refused(&file.word(name, 0, (-1f32).to_bits()), "second moment is negative", &format_args!("{name}"));
        }
    }
    for extra in ["extra.weight", "train.extra"] {
        let mut more = file.clone();
        more.add(extra, "F32", &[1], &[0; 4]);
        refused(&more.bytes(), "", &extra);
    }
    let mut without_state = file.clone();
    let entry = without_state.header.remove("train.state").unwrap();
    without_state.header.insert("train.stale".into(), entry);
    refused(&without_state.bytes(), "train.state is missing", &"no state");
}

#[test]
fn states_are_of_the_run() {
    let file = File::whole();
    let f = f32::to_bits;
    for (about, word, value) in [
        ("a step without its slot", 0, 2),
        ("a slot without its step", 1, 2),
        ("another seed", 2, 6),
        ("a skipped step that is no step", 3, 1),
        ("skipped steps past the end of numbers", 3, u32::MAX),
        ("more skipped in a row than skipped", 4, 1),
        ("an update that is no step", 5, 4),
        ("two kinds of finite", 6, 2),
        ("a negative learning rate", 7, f(-1.0)),
        ("an infinite learning rate", 7, f(f32::INFINITY)),
        ("a clip above 1", 8, f(1.5)),
        ("a correction above 1", 9, f(2.0)),
        ("a negative correction", 10, f(-0.5)),
        ("a clip that is no number", 8, f(f32::NAN)),
    ] {
        refused(&file.word("train.state", word, value), "state of training", &about);
    }
}
