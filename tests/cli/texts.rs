//! Texts: short ones, pipes, and names of any bytes.

use std::fs;

use aft_wgpu::gpu::Gpu;
use libtest_mimic::Trial;

use crate::place::{Place, Run, TINY};
use crate::{harness, number, trial};

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    let mut trials = vec![
        trial("texts that cannot be used end with 4", unusable),
        harness::trial(gpu, "of a short text only the part that is read counts", |_| short()),
        harness::trial(gpu, "a model may stand before and after its text", |_| order()),
    ];
    if cfg!(unix) {
        trials.push(harness::trial(gpu, "a text may come through a pipe", |_| pipes()));
        trials.push(harness::trial(gpu, "names may be of any bytes", |_| any_names()));
    }
    trials
}

fn unusable() {
    let place = Place::new();
    place.write("empty.txt", b"");
    place.write("short.txt", &[b'x'; 600]);
    place.write("tiny.txt", b"x");
    fs::create_dir(place.path().join("folder")).unwrap();
    let cases = [
        ("train text --text gone.txt", "gone.txt: no such file"),
        ("train text --text text.txt gone.txt", "gone.txt: no such file"),
        ("train text --text empty.txt", "empty.txt is empty"),
        ("train text --text folder", "folder: cannot be read"),
        // 5 % of 600 bytes are 30.
        (
            "train text --text short.txt --length 32",
            "its validation part has 30 bytes, and a window of --length 32 needs 33",
        ),
        ("train text --text short.txt --length 32", "Take a longer text, --split all, a --length of 29 or less"),
        ("train text --text short.txt --length 600 --split all", "it has 600 bytes"),
        ("train text --text short.txt --length 600 --split all", "Take a longer text, a --length of 599 or less"),
        ("train text --text tiny.txt --split all", "tiny.txt: it has 1 bytes"),
        ("train text --text text.txt --length 5000", "--length 5000 needs 5001"),
    ];
    place.refuses(Place::aft_without_adapter, 4, &cases);
    if cfg!(unix) {
        let part = "/dev/zero: cannot be read at byte 0: neither a regular file nor a pipe";
        place.refuses(Place::aft_without_adapter, 4, &[("train text --text /dev/zero", part)]);
    }
}

fn short() {
    let place = Place::new();
    place.write("short.txt", &place.read("text.txt")[..600]);
    place.aft(&format!("{TINY} --out run")).ok();
    let part = "its validation part has 30 bytes, and a window of --length 32 needs 33";
    place.refuses(Place::aft, 4, &[("eval run --text short.txt", part)]);
    place.refuses(
        Place::aft,
        4,
        &[("eval run --text short.txt", "--split all, or a model of a --length of 29 or less")],
    );
    for (split, bytes) in [("train", 540.0), ("all", 600.0)] {
        let result = place.aft(&format!("eval run --text short.txt --split {split} --json")).ok().json();
        assert_eq!((number(&result, "bytes"), result["split"].as_str()), (bytes, Some(split)));
    }
    // What is never read, the test part, may be too short.
    place.write("no-test.txt", &place.read("text.txt")[..660]);
    place.aft(&format!("{} --out thirty", TINY.replace("text.txt", "no-test.txt"))).ok();
    let whole = format!("{} --split all --out whole --json", TINY.replace("text.txt", "short.txt"));
    let trained = place.aft(&whole).ok().json();
    let result = place.aft("eval whole --json").ok().json();
    assert_eq!((number(&result, "bytes"), result["split"].as_str()), (600.0, Some("all")));
    let named = place.aft("eval whole --text short.txt --json").ok().json();
    assert_eq!((&named["bits_per_byte"], &named["split"]), (&result["bits_per_byte"], &result["split"]));
    assert!((number(&result, "bits_per_byte") - number(&trained, "valid_bits_per_byte")).abs() < 1e-4, "{result}");
    place.refuses(Place::aft, 2, &[("train text --resume whole --split parts", "the run has --split all")]);
    place.aft("train text --resume whole --split all").ok();
}

fn order() {
    let place = Place::new();
    place.aft(&format!("{TINY} --out run")).ok();
    let bits = |line: &str| number(&place.aft(line).ok().json(), "bits_per_byte");
    let expected = bits("eval run --text text.txt text.txt --json");
    for line in ["eval --text text.txt text.txt run --json", "eval --json --text text.txt --text text.txt -- run"] {
        assert_eq!(bits(line), expected, "{line}");
    }
}

fn pipes() {
    let place = Place::new();
    place.aft(&format!("{TINY} --out file")).ok();
    for (name, out) in [("-", "dash"), ("/dev/stdin", "stdin"), ("pipe", "named")] {
        if name == "pipe" {
            let pipe = place.path().join(name);
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        }
        // A shell, as a process substitution is one of its pipes.
        let line = format!("{} --out {out}", TINY.replace("text.txt", name));
        let program = env!("CARGO_BIN_EXE_aft");
        let script = match name {
            "pipe" => format!("cat text.txt > pipe & '{program}' {line}"),
            _ => format!("cat text.txt | '{program}' {line}"),
        };
        let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(place.path()).output().unwrap();
        Run::new(&script, output).ok();
        assert!(place.read(&format!("{out}/model.safetensors")) == place.read("file/model.safetensors"), "{name}");
        let part = "came through a pipe, and is not kept: give it again with --text";
        place.refuses(Place::aft, 2, &[(&format!("eval {out}"), part)]);
    }
    place.aft("eval named --text text.txt").ok();
}

#[cfg(not(unix))]
fn any_names() {}

#[cfg(unix)]
fn any_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let [text, run] = [&b"te\xffxt.txt"[..], b"ru\xfe\xffn.out"].map(OsStr::from_bytes);
    fs::copy(place.path().join("text.txt"), place.path().join(text)).unwrap();
    let aft = |line: &str, more: &[&OsStr]| Run::new(line, place.command(line).args(more).output().unwrap()).ok();
    let [before, after] = TINY.split_once("text.txt").map(|(before, after)| [before, after]).unwrap();
    let mut command = place.command(before);
    command.arg(text).args(after.split_whitespace()).arg("--out").arg(run);
    Run::new(TINY, command.output().unwrap()).ok();
    place.aft(&format!("{TINY} --out plain")).ok();
    assert!(
        fs::read(place.path().join(run).join("model.safetensors")).unwrap() == place.read("plain/model.safetensors")
    );
    // The run knows its text.
    let bits = |run: &Run| number(&run.json(), "bits_per_byte");
    assert_eq!(bits(&aft("eval --json", &[run])), bits(&place.aft("eval plain --json").ok()));
    assert!(aft("generate --bytes 5", &[run]).stdout.len() >= 5);
    assert!(aft("train text --resume", &[run]).stdout.contains("is finished"));
}
