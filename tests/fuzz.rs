//! Files that are no checkpoint, or a broken one: always an error of the file, never a panic, and never more memory than a small
//! multiple of the file. Needs no device. `AFT_TEST_ALL` makes a hundred times the flips.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait, and passes every call on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aft_wgpu::data::TextMark;
use aft_wgpu::models::language::{Language, LanguageConfig};
use aft_wgpu::random::pcg4d;
use aft_wgpu::train::{Checkpoint, TrainConfig};
use aft_wgpu::{Error, Result};
use serde_json::{Value, json};

// --- Memory --------------------------------------------------------------------------------------------------------------

/// The system's allocator, which knows how much this thread holds and held at most.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: every call is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of this method.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `f` gives, and the most bytes that it held at once.
fn peak<T>(f: impl FnOnce() -> T) -> (T, isize) {
    let before = LIVE.get();
    PEAK.set(before);
    let value = f();
    (value, PEAK.get() - before)
}

// --- What reading may do -------------------------------------------------------------------------------------------------

/// Reads `bytes` as a checkpoint and as a model's header. `about` names the case.
fn read(bytes: &[u8], about: &dyn std::fmt::Display) -> Result<Checkpoint> {
    let both = AssertUnwindSafe(|| peak(|| (Checkpoint::from_bytes(bytes), Language::read_config(bytes))));
    let ((checkpoint, config), held) = catch_unwind(both).unwrap_or_else(|_| panic!("{about}: a panic"));
    let allowed = 8 * bytes.len() as isize + (1 << 20);
    assert!(held <= allowed, "{about}: {held} bytes of memory for a file of {}", bytes.len());
    for error in [checkpoint.as_ref().err(), config.as_ref().err()].into_iter().flatten() {
        assert!(matches!(error, Error::Format { .. }), "{about}: {error:?}");
    }
    if let Ok(checkpoint) = &checkpoint {
        // What is taken for good is: it writes itself, reads back, and is a model.
        let written = checkpoint.to_bytes().unwrap();
        assert!(Checkpoint::from_bytes(&written).unwrap() == *checkpoint, "{about}");
        assert!(config.unwrap() == checkpoint.model, "{about}");
    }
    checkpoint
}

/// `bytes` are refused with a message that contains `part`.
fn refused(bytes: &[u8], part: &str, about: &dyn std::fmt::Display) {
    match read(bytes, about) {
        Ok(_) => panic!("{about}: accepted"),
        Err(error) => assert!(error.to_string().contains(part), "{about}: \"{part}\" is missing in: {error}"),
    }
}

// --- A small checkpoint, written by hand: the format, once more --------------------------------------------------------

const DIM: usize = 4;
const LENGTH: usize = 2;
const STEP: u32 = 3;

fn model() -> LanguageConfig {
    LanguageConfig {
        layers: 1,
        dim: DIM as u32,
        length: LENGTH as u32,
        window: 1,
        rank: 1,
        ..LanguageConfig::paper_enwik8()
    }
}

fn train() -> TrainConfig {
    TrainConfig { batch: 1, steps: 10, seed: 5, ..TrainConfig::paper_enwik8() }
}

/// A file in parts: the header's object and the data behind it.
#[derive(Clone)]
struct File {
    header: BTreeMap<String, Value>,
    data: Vec<u8>,
}

impl File {
    fn whole() -> Self {
        let block = [
            ("aft.out.bias", vec![DIM]),
            ("aft.out.weight", vec![DIM, DIM]),
            ("aft.qkv.bias", vec![3 * DIM]),
            ("aft.qkv.weight", vec![DIM, 3 * DIM]),
            ("aft.bias.u", vec![LENGTH, 1]),
            ("aft.bias.v", vec![LENGTH, 1]),
            ("mlp.down.bias", vec![DIM]),
            ("mlp.down.weight", vec![4 * DIM, DIM]),
            ("mlp.up.bias", vec![4 * DIM]),
            ("mlp.up.weight", vec![DIM, 4 * DIM]),
            ("norm1.bias", vec![DIM]),
            ("norm1.weight", vec![DIM]),
            ("norm2.bias", vec![DIM]),
            ("norm2.weight", vec![DIM]),
        ];
        let rest = [
            ("embedding.position", vec![LENGTH, DIM]),
            ("embedding.token", vec![256, DIM]),
            ("head.bias", vec![256]),
            ("head.weight", vec![DIM, 256]),
            ("norm.bias", vec![DIM]),
            ("norm.weight", vec![DIM]),
        ];
        let names = block.map(|(name, shape)| (format!("blocks.0.{name}"), shape));
        let names: Vec<_> = names.into_iter().chain(rest.map(|(name, shape)| (name.to_owned(), shape))).collect();
        let mut file = Self { header: BTreeMap::new(), data: Vec::new() };
        for (which, prefix) in (0u32..).zip(["", "train.moment1.", "train.moment2."]) {
            for (number, (name, shape)) in (0u32..).zip(&names) {
                let count: usize = shape.iter().product();
                let value = |i| (pcg4d([which, number, i, 0])[0] >> 8) as f32 / 16_777_216.0;
                let values: Vec<f32> = (0..count as u32).map(value).collect();
                file.add(&format!("{prefix}{name}"), "F32", shape, bytemuck::cast_slice(&values));
            }
        }
        let float = f32::to_bits;
        let state = [STEP, STEP, 5, 0, 0, STEP, 1, float(1e-3), float(0.5), float(0.1), float(0.02)];
        file.add("train.state", "U32", &[state.len()], bytemuck::cast_slice(&state));
        let text = TextMark { bytes: 1000, crc32: 77 };
        let run = json!({ "config": train(), "plan": "processor, textures", "text": text });
        let aft = json!({ "format": 1, "language": model(), "train": run });
        file.header.insert("__metadata__".into(), json!({ "aft": aft.to_string() }));
        file
    }

    fn add(&mut self, name: &str, dtype: &str, shape: &[usize], bytes: &[u8]) {
        let start = self.data.len();
        self.data.extend(bytes);
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, self.data.len()] });
        self.header.insert(name.into(), entry);
    }

    fn bytes(&self) -> Vec<u8> {
        raw(&serde_json::to_string(&self.header).unwrap(), &self.data)
    }

    /// This file with a tensor's entry changed.
    fn entry(&self, name: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut file = self.clone();
        change(file.header.get_mut(name).unwrap());
        file.bytes()
    }

    /// This file with the metadata changed.
    fn metadata(&self, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        self.entry("__metadata__", |entry| {
            let mut aft = serde_json::from_str(entry["aft"].as_str().unwrap()).unwrap();
            change(&mut aft);
            entry["aft"] = aft.to_string().into();
        })
    }

    /// This file with word `i` of a tensor's data replaced.
    fn word(&self, name: &str, i: usize, word: u32) -> Vec<u8> {
        let mut file = self.clone();
        let at = file.header[name]["data_offsets"][0].as_u64().unwrap() as usize + 4 * i;
        file.data[at..at + 4].copy_from_slice(&word.to_le_bytes());
        file.bytes()
    }

    /// Names of all tensors but the state.
    fn floats(&self) -> impl Iterator<Item = &String> {
        self.header.keys().filter(|name| !["__metadata__", "train.state"].contains(&name.as_str()))
    }
}

/// The bytes of a safetensors file.
fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    // Tensors begin at whole words.
    let padded = header.to_owned() + &" ".repeat(header.len().next_multiple_of(8) - header.len());
    [&(padded.len() as u64).to_le_bytes(), padded.as_bytes(), data].concat()
}

// --- The tests -----------------------------------------------------------------------------------------------------------

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
fn flipped_bits_are_refused_or_harmless() {
    let whole = File::whole().bytes();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let (mut refused, mut harmless) = (0, 0);
    for round in 0..rounds(10_000) {
        let [at, bit, where_, _] = pcg4d([round, 0, 0, 1]);
        // The header is short and most of what there is to break.
        let range = if where_ % 2 == 0 { header } else { whole.len() };
        let (at, bit) = (at as usize % range, bit % 8);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        match read(&bytes, &format_args!("bit {bit} of byte {at} flipped")) {
            Ok(_) => harmless += 1,
            Err(_) => refused += 1,
        }
    }
    // A flipped bit of a weight is another weight; one of a name is another name.
    assert!(refused > rounds(10_000) / 3 && harmless > rounds(10_000) / 5, "{refused} refused, {harmless} harmless");
}

#[test]
fn torn_files_are_refused_or_harmless() {
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
        // A copy onto itself, or of zeros onto zeros, changes nothing, and one inside the weights is another model.
        let _ = read(&bytes, &format_args!("round {round}: {length} bytes at {from} and {to}, kind {}", kind % 5));
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
        ("more steps than the run", 0, 11),
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
