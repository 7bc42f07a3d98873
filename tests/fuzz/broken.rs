//! Truncated, flipped, torn and foreign files.

use aft_wgpu::random::pcg4d;
use serde_json::{Value, json};

use crate::file::{File, STEP, model, raw, train};
use crate::reading::{read, refused};

#[test]
fn a_whole_file_is_read() {
    let bytes = File::whole().bytes();
    let checkpoint = read(&bytes, &"the whole file").unwrap();
    assert_eq!((checkpoint.step(), checkpoint.skipped()), (STEP, 0));
    assert_eq!((&checkpoint.model, &checkpoint.train), (&model(), &train()));
    // The same tensors and metadata, whichever order and spacing the writer prefers.
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let written = checkpoint.to_bytes().unwrap();
    let (_, other) = safetensors::SafeTensors::read_metadata(&written).unwrap();
    assert_eq!(header.metadata(), other.metadata());
    let [a, b] = [&bytes, &written].map(|b| safetensors::SafeTensors::deserialize(b).unwrap());
    assert_eq!(a.len(), b.len());
    for (name, tensor) in a.tensors() {
        assert!(b.tensor(&name).unwrap() == tensor, "{name}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = File::whole().bytes();
    for length in 0..bytes.len() {
        refused(&bytes[..length], "not a safetensors file", &format_args!("the first {length} bytes"));
    }
}

/// How many seeded changes to make.
fn rounds(few: u32) -> u32 {
    if std::env::var_os("AFT_TEST_ALL").is_some() { 100 * few } else { few }
}

#[test]
fn flipped_bits_are_refused() {
    let whole = File::whole().bytes();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let one = |at: usize, bit: u32| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        refused(&bytes, "", &format_args!("bit {bit} of byte {at} flipped"));
    };
    // Of the header a bit of every byte, or all; of the data, which is longer and all alike, many.
    let bits = |at: usize| if rounds(1) > 1 { 0..8 } else { at as u32 % 8..at as u32 % 8 + 1 };
    (0..header).for_each(|at| bits(at).for_each(|bit| one(at, bit)));
    for round in 0..rounds(3_000) {
        let [at, bit, ..] = pcg4d([round, 0, 0, 1]);
        one(header + at as usize % (whole.len() - header), bit % 8);
    }
}

#[test]
fn torn_files_are_refused() {
    let whole = File::whole().bytes();
    for round in 0..rounds(2_000) {
        let [from, to, length, kind] = pcg4d([round, 0, 0, 2]);
        let (from, to) = (from as usize % whole.len(), to as usize % whole.len());
        let length = (1 << (length % 14)).min(whole.len() - from.max(to));
        let mut bytes = whole.clone();
        match kind % 5 {
            0 => bytes[from..from + length].fill(0),
            1 => bytes.copy_within(from..from + length, to),
            2 => drop(bytes.drain(from..from + length)),
            3 => drop(bytes.splice(to..to, whole[from..from + length].iter().copied())),
            _ => bytes.extend(&whole[from..from + length]),
        }
        // A copy onto itself, or of zeros onto zeros, changes nothing.
        if bytes != whole {
            refused(&bytes, "", &format_args!("round {round}: {length} bytes at {from} and {to}, kind {}", kind % 5));
        }
    }
}

#[test]
fn foreign_files_are_refused() {
    let text = "the quick brown fox jumps over the lazy dog.\n".repeat(100);
    let no = "not a safetensors file";
    let file = File::whole();
    let length = |n: u64| [&n.to_le_bytes(), &file.bytes()[8..]].concat();
    let tensor = |offsets: [u64; 2], shape: Value| json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
    let header = |entries: Value| raw(&entries.to_string(), &[0; 64]);
    for (about, bytes, part) in [
        ("an empty file", vec![], no),
        ("a text", text.into_bytes(), no),
        ("zeros", vec![0; 5000], no),
        ("ones", vec![255; 5000], no),
        ("only a header length", 8u64.to_le_bytes().into(), no),
        ("a header of 2^64 - 1 bytes", length(u64::MAX), no),
        ("a header of 2^40 bytes", length(1 << 40), no),
        ("a header of 99 MB", length(99_000_000), no),
        ("a header of no JSON", raw("tensors", &[]), no),
        ("a header of an array", raw("[1, 2]", &[]), no),
        ("a header nested without end", raw(&"[".repeat(100_000), &[]), no),
        ("objects nested without end", raw(&"{\"a\":".repeat(100_000), &[]), no),
        ("another model's file", header(json!({"weight": tensor([0, 64], json!([16]))})), "not one of aft-wgpu"),
        (
            "another program's file",
            header(json!({"__metadata__": {"format": "pt"}, "w": tensor([0, 64], json!([16]))})),
            "not one of aft-wgpu",
        ),
        (
            "overlapping tensors",
            header(json!({"a": tensor([0, 64], json!([16])), "b": tensor([32, 64], json!([8]))})),
            no,
        ),
        ("a gap", header(json!({"a": tensor([8, 64], json!([14]))})), no),
        ("offsets in the wrong order", header(json!({"a": tensor([64, 0], json!([16]))})), no),
        ("offsets past the end", header(json!({"a": tensor([0, 1 << 62], json!([1u64 << 60]))})), no),
        ("a shape that overflows", header(json!({"a": tensor([0, 64], json!([1u64 << 40, 1u64 << 40]))})), no),
        ("a negative shape", header(json!({"a": tensor([0, 64], json!([-16]))})), no),
        ("metadata that is no text", file.entry("__metadata__", |m| m["aft"] = json!(1)), no),
        ("metadata that is no JSON", file.entry("__metadata__", |m| m["aft"] = json!("{")), "metadata is broken"),
        ("metadata that is no object", file.metadata(|m| *m = json!([1])), "names no format"),
        (
            "metadata nested without end",
            file.entry("__metadata__", |m| m["aft"] = "[".repeat(100_000).into()),
            "metadata is broken",
        ),
        ("a byte too many", [file.bytes(), vec![0]].concat(), no),
    ] {
        refused(&bytes, part, &about);
    }
}
