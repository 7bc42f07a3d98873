//! The program `aft` from outside: results, exit codes, messages, and what it leaves on disk.
//!
//! Bad input is tested on any machine. What needs an adapter is reported as ignored where there is none, and as failed
//! where `AFT_REQUIRE_ADAPTER` is set.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod adapters;
#[path = "../harness.rs"]
mod harness;
mod options;
mod place;
mod printed;
#[path = "../sealed.rs"]
mod sealed;
mod texts;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use place::{Place, TINY};
use sealed::sealed;
use serde_json::Value;

fn main() {
    harness::run(&Default::default(), |gpu| {
        let needs_adapter = |name, test: fn()| harness::trial(&gpu, name, move |_| test());
        let mut trials = vec![
            trial("help names exit codes and examples", help),
            trial("wrong usage ends with 2", usage),
            trial("settings that make no sense end with 2", settings),
            trial("files that are no model end with 4", no_models),
            trial("an --out that holds a file of a run ends with 4", taken),
            trial("no adapter ends with 3", no_adapter),
            needs_adapter("adapters are listed", adapters::listed),
            needs_adapter("names of runs are escaped in results", printed::runs),
            needs_adapter("an unknown adapter ends with 3", adapters::unknown),
            needs_adapter("no driver speaks up on a machine without a display", adapters::without_display),
            needs_adapter("sizes beyond a limit end with 2", beyond_limits),
            needs_adapter("an --out that cannot be written ends with 4", read_only),
            needs_adapter("divergence ends with 6 and no model", divergence),
            needs_adapter("a loss that is no number ends with 6", no_number),
            needs_adapter("a folder and its settings are there before steps are measured", measuring),
            needs_adapter("a run leaves its folder and one JSON object", whole_run),
            needs_adapter("the same seed gives the same bytes", same_seed),
            needs_adapter("--time fixes a number of steps that --steps repeats", time),
            needs_adapter("of a long validation text a sample is evaluated", sampled_evaluation),
            needs_adapter("runs are numbered", numbers),
            needs_adapter("a closed pipe is no error", closed_pipe),
        ];
        trials.extend(options::trials(&gpu));
        trials.extend(printed::trials());
        trials.extend(texts::trials(&gpu));
        trials
    });
}

/// A test that runs anywhere.
fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// Every option of `aft train text`.
const TRAIN_OPTIONS: &str = "--text --variant --layers --dim --heads --window --rank --length --dropout --batch --accumulate \
    --steps --time --lr --weight-decay --seed --adapter --out --json --profile --sample-bytes --resume --save-every \
    --init --valid-bytes --warmup --hold";

/// What a run leaves in its folder, sorted.
const RUN_FILES: [&str; 6] =
    ["checkpoint.safetensors", "config.toml", "loss.svg", "metrics.jsonl", "model.safetensors", "sample.txt"];

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is no number in {value}"))
}

fn help() {
    let place = Place::new();
    let top = place.aft("--help").ok().stdout;
    for part in ["adapters", "train", "eval", "generate", "Exit codes:", "WGPU_ADAPTER_NAME"] {
        assert!(top.contains(part), "{part} is missing in\n{top}");
    }
    for code in (0..=6).chain([130]) {
        assert!(top.contains(&format!("\n  {code}  ")), "exit code {code} is missing in\n{top}");
    }
    for (line, parts) in [
        ("adapters --help", &["--json", "aft adapters"][..]),
        ("eval --help", &["--split", "valid", "--text", "aft eval runs/text-001"]),
        ("generate --help", &["--prompt", "--temperature", "[default: 0.7]", "aft generate runs/text-001"]),
        ("train --help", &["text"]),
        ("train text --help", &["[possible values: simple, full, local, conv, attention]", "Examples:"]),
        ("train text --help", &TRAIN_OPTIONS.split_whitespace().collect::<Vec<_>>()),
    ] {
        let text = place.aft(line).ok().stdout;
        for part in parts {
            assert!(text.contains(part), "{part} is missing in aft {line}\n{text}");
        }
    }
    assert_eq!(place.aft("--version").ok().stdout.trim(), concat!("aft ", env!("CARGO_PKG_VERSION")));
}

fn usage() {
    let place = Place::new();
    assert_eq!(place.aft("").code, Some(2));
    assert_eq!(place.aft("train").code, Some(2));
    let cases = [
        ("bake", "'bake'"),
        ("train text --colour red", "'--colour'"),
        ("train text --steps many", "'many'"),
        ("train text --variant whole", "'whole'"),
        ("train text --variant conv2d", "'conv2d'"),
        ("train text --seed 9223372036854775808", "9223372036854775808"),
        ("eval", "required arguments"),
        ("eval x --split half", "'half'"),
    ];
    place.refuses(Place::aft_without_adapter, 2, &cases);
}

fn settings() {
    let cases = [
        ("train text --dim 0", "dim"),
        ("train text --dim 18", "multiple of 4"),
        ("train text --layers 0", "layers"),
        ("train text --length 0", "length"),
        ("train text --length 4294967295", "length"),
        ("train text --variant simple --heads 2", "1 head"),
        ("train text --variant conv --heads 3", "the heads of AFT-conv"),
        ("train text --variant conv1d --heads 3", "the heads of AFT-conv"),
        ("train text --variant simple --window 8", "--window"),
        ("train text --variant attention --rank 8", "--rank is of no use to attention"),
        ("train text --variant attention --heads 3", "channels in each head"),
        ("train text --variant simple --rank 8", "--rank"),
        ("train text --window 0", "window"),
        ("train text --dropout 1", "dropout"),
        ("train text --dropout=-0.5", "dropout"),
        ("train text --dropout nan", "dropout"),
        ("train text --batch 0", "batch"),
        ("train text --accumulate 0", "accumulate"),
        ("train text --steps 0", "steps"),
        ("train text --lr 0", "lr"),
        ("train text --lr inf", "lr"),
        ("train text --weight-decay=-1", "weight-decay"),
        ("train text --time 0", "--time"),
        ("train text --time nan", "--time"),
        ("train text --time=-5", "--time"),
    ];
    Place::new().refuses(Place::aft_without_adapter, 2, &cases);
}

fn no_models() {
    let place = Place::new();
    place.write("empty.safetensors", b"");
    place.write("other.safetensors", b"\x02\0\0\0\0\0\0\0{}");
    place.write("huge.safetensors", &[0xff; 64]);
    fs::create_dir(place.path().join("folder")).unwrap();
    for subcommand in ["eval", "generate"] {
        for (name, part) in [
            ("gone", "gone"),
            ("folder", "folder/model.safetensors"),
            ("empty.safetensors", "empty.safetensors: not a safetensors file"),
            ("other.safetensors", "other.safetensors: a safetensors file, but not"),
            ("huge.safetensors", "huge.safetensors: not a safetensors file"),
            ("text.txt", "text.txt: not a safetensors file"),
        ] {
            place.refuses(Place::aft_without_adapter, 4, &[(&format!("{subcommand} {name}"), part)]);
        }
    }
    // What has no end is not read to it.
    if cfg!(unix) {
        assert!(Command::new("mkfifo").arg(place.path().join("pipe")).status().unwrap().success());
        for subcommand in ["eval", "generate", "train text --resume"] {
            for endless in ["pipe", "/dev/zero"] {
                let part = format!("{endless}: not a regular file");
                place.refuses(Place::aft_without_adapter, 4, &[(&format!("{subcommand} {endless}"), &part)]);
            }
        }
    }
}

fn taken() {
    let place = Place::new();
    for (number, name) in RUN_FILES.iter().enumerate() {
        let folder = format!("mine{number}");
        fs::create_dir(place.path().join(&folder)).unwrap();
        place.write(&format!("{folder}/{name}"), b"mine");
        let (line, part) = (format!("{TINY} --out {folder}"), format!("{folder}: already holds a {name}"));
        place.refuses(Place::aft_without_adapter, 4, &[(&line, &part)]);
        assert_eq!(place.read(&format!("{folder}/{name}")), b"mine");
    }
}

fn no_adapter() {
    let part = "no GPU adapter found";
    let cases = [("adapters", part), ("adapters --json", part), (TINY, part), ("train text --out a/b", part)];
    let place = Place::new();
    place.refuses(Place::aft_without_adapter, 3, &cases);
    let stderr = place.aft_without_adapter("adapters").stderr;
    assert!(stderr.contains("backends tried: none: WGPU_BACKEND allows"), "{stderr}");
}

fn beyond_limits() {
    let cases = [
        ("train text --layers 1000 --dim 65536 --steps 1", "this device grants"),
        ("train text --batch 4294967295 --steps 1", "grants"),
        ("train text --batch 1000000 --length 1024 --steps 1", "grants"),
    ];
    Place::new().refuses(Place::aft, 2, &cases);
}

fn read_only() {
    let place = Place::new();
    let below_file = format!("{TINY} --out text.txt/run");
    let a_file = format!("{TINY} --out text.txt");
    let timed = |line: &str| line.replace("--steps 3", "--time 100");
    place.refuses(Place::aft, 4, &[(&below_file, "text.txt"), (&a_file, "text.txt"), (&timed(&a_file), "text.txt")]);
    if cfg!(target_os = "linux") {
        // Not even root may write there.
        let system = format!("{TINY} --out /proc/aft/run");
        place.refuses(Place::aft, 4, &[(&system, "/proc/aft"), (&timed(&system), "/proc/aft")]);
        let there = timed(&format!("{TINY} --out /proc"));
        place.refuses(Place::aft, 4, &[(&there, "/proc: ")]);
    }
}

fn divergence() {
    let place = Place::new();
    let run = place.aft(&format!("{TINY} --steps 50 --lr 3e38 --out run").replace("--steps 3 ", ""));
    run.fails(6, "the gradient is not finite since step ");
    let names = place.list();
    assert!(names.contains(&"run/config.toml".into()), "{names:?}");
    assert!(!names.iter().any(|n| n.contains("safetensors") || n.contains(".tmp")), "{names:?}");
}

/// The gradient of a first step can be finite and the step still go too far.
fn no_number() {
    let place = Place::new();
    for steps in [1, 2] {
        let far = TINY.replace("--steps 3", &format!("--steps {steps} --lr 3e38"));
        let run = place.aft(&format!("{far} --out far{steps} --json"));
        run.fails(6, "the loss on the validation text is not finite after step 1");
        assert!(!place.list().iter().any(|n| n.ends_with("safetensors")), "{:?}", place.list());
    }
    place.aft(&format!("{TINY} --out run")).ok();
    let mut model = place.read("run/model.safetensors");
    let header = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    model[8 + header..].fill(0x7f); // the largest f32 but for a few bits: finite, its square is not
    place.write("run/model.safetensors", &model);
    place.refuses(Place::aft, 4, &[("eval run", "run/model.safetensors: damaged")]);
    place.write("run/model.safetensors", &sealed(&model));
    let part = "run/model.safetensors: the loss of this model is not finite";
    place.refuses(Place::aft, 6, &[("eval run", part), ("eval run --json", part)]);
}

/// Whoever stops the program before its first step can go on all the same.
fn measuring() {
    let place = Place::new();
    let line = TINY.replace("--steps 3", "--time 300");
    let mut child = place.command(&format!("{line} --out a/b"));
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines().find(|l| l.as_ref().unwrap().contains("measuring"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.is_some(), "no word of a measurement");
    assert_eq!(place.list(), ["a", "a/b", "a/b/.lock", "a/b/config.toml", "text.txt"]);
    let config = String::from_utf8(place.read("a/b/config.toml")).unwrap();
    assert!(config.contains("time_seconds = 300.0") && config.contains("measuring = true"), "{config}");
}

fn whole_run() {
    let place = Place::new();
    let result = place.aft(&format!("{TINY} --json --profile --out run")).ok().json();
    for (key, low, high) in [
        ("valid_bits_per_byte", 0.5, 9.0),
        ("bigram_bits_per_byte", 0.5, 8.0),
        ("word_share", 0.0, 1.0),
        ("bigram_word_share", 0.0, 1.0),
        ("tokens_per_second", 1.0, 1e12),
        ("seconds", 0.01, 600.0),
        ("steps", 3.0, 3.0),
        ("skipped_steps", 0.0, 0.0),
        ("parameters", 10_000.0, 100_000.0),
    ] {
        let value = number(&result, key);
        assert!((low..=high).contains(&value), "{key} is {value}");
    }
    assert_eq!(result["run"], "run");
    assert!(!result["adapter"].as_str().unwrap().is_empty());
    assert!(!result["profile"]["kernels"].as_array().unwrap().is_empty());
    assert_eq!(
        place.list(),
        [&["run".into(), "run/.lock".into()][..], &RUN_FILES.map(|f| format!("run/{f}")), &["text.txt".into()]]
            .concat()
    );

    let lines = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    for key in ["train_bits_per_byte", "lr", "norm", "tokens_per_second", "seconds"] {
        assert!(lines.iter().all(|line| line[key].is_number()), "{key}: {lines:?}");
    }
    let valid = number(&result, "valid_bits_per_byte");
    assert_eq!(number(&lines[2], "valid_bits_per_byte"), valid);
    assert_eq!(place.read("run/sample.txt").len(), 20);
    assert!(String::from_utf8(place.read("run/loss.svg")).unwrap().contains(&format!("validation {valid:.3}")));

    // Measured again from the file, on the text that the run names; in other batches, so up to the order of f32 sums.
    for line in ["eval run --json", "eval run/model.safetensors --text text.txt --split valid --json"] {
        let again = place.aft(line).ok().json();
        assert!((number(&again, "bits_per_byte") - valid).abs() < 1e-4, "{line}: {again}, not {valid}");
        assert_eq!(number(&again, "bigram_bits_per_byte"), number(&result, "bigram_bits_per_byte"));
        assert_eq!(number(&again, "bytes"), 1000.0);
    }
    assert!(place.aft("eval run --split test").ok().stdout.contains("test part of"));
    let generated = place.aft("generate run --prompt Ay --bytes 40 --seed 5").ok().stdout;
    assert!(generated.starts_with("Ay"), "{generated}");
    let object = place.aft("generate run --prompt Ay --bytes 40 --seed 5 --json").ok().json();
    assert_eq!(format!("Ay{}", object["text"].as_str().unwrap()), generated);
    place.aft("generate run --temperature=-1").fails(2, "temperature");
    let model = place.read("run/model.safetensors");
    place.write("cut.safetensors", &model[..model.len() - 100]);
    place.refuses(Place::aft, 4, &[("eval cut.safetensors", "cut.safetensors"), (&format!("{TINY} --out run"), "run")]);
}

fn same_seed() {
    let place = Place::new();
    for (seed, out) in [(7, "a"), (7, "b"), (8, "c")] {
        place.aft(&format!("{TINY} --seed {seed} --out {out}")).ok();
    }
    let [a, b, c] = ["a", "b", "c"].map(|out| place.read(&format!("{out}/model.safetensors")));
    assert!(a == b, "one seed, two models");
    assert!(a != c, "two seeds, one model");
    assert_eq!(place.read("a/sample.txt"), place.read("b/sample.txt"));
}

fn time() {
    let place = Place::new();
    let tiny = TINY.replace("--steps 3 ", "");
    let timed = place.aft(&format!("{tiny} --time 4 --json --out timed")).ok().json();
    let (steps, seconds) = (number(&timed, "steps"), number(&timed, "seconds"));
    // Twice the time: other tests run beside it and may get slower or faster meanwhile.
    assert!(seconds < 8.0, "--time 4 took {seconds} s");
    let config: toml::Table = toml::from_str(&String::from_utf8(place.read("timed/config.toml")).unwrap()).unwrap();
    let train = |key: &str| config["train"][key].as_integer().unwrap();
    assert_eq!(train("steps") as f64, steps, "{config}");
    assert!(!config.contains_key("measuring") && train("hold") > 0, "{config}");
    let [warmup, hold] = ["warmup", "hold"].map(train);
    place.aft(&format!("{tiny} --steps {steps} --warmup {warmup} --hold {hold} --out fixed")).ok();
    let [timed, fixed] = ["timed", "fixed"].map(|run| place.read(&format!("{run}/model.safetensors")));
    assert!(timed == fixed, "the same number of steps, two models");
    // Time only ever lowers a number of steps that was asked for.
    let capped = place.aft(&format!("{tiny} --steps 5 --time 60 --json")).ok().json();
    assert_eq!(number(&capped, "steps"), 5.0);
}

/// Of a long validation text a sample is read that the text alone decides on; the whole where that is asked for.
fn sampled_evaluation() {
    let place = Place::new();
    let line = TINY.replace("--batch 2", "--batch 64").replace("--sample-bytes 20", "--sample-bytes 0 --json");
    let run = |options: &str| {
        let result = place.aft(&format!("{line} {options}")).ok().json();
        ["valid_bytes", "valid_part_bytes", "valid_bits_per_byte", "bigram_bits_per_byte"]
            .map(|key| number(&result, key))
    };
    let [bytes, of, whole, bigram] = run("--valid-bytes all --out all");
    assert_eq!([bytes, of], [999.0, 1000.0]);
    assert_eq!(run("--out default"), [bytes, of, whole, bigram]);
    let some = run("--valid-bytes 640 --out some");
    assert_eq!(some[..2], [640.0, 1000.0]);
    assert!(some[2] != whole && some[3] != bigram, "as if all was read: {some:?}");
    assert_eq!(run("--valid-bytes 640 --out again"), some);
    assert!(String::from_utf8(place.read("some/config.toml")).unwrap().contains("valid_bytes = \"640\""));
    assert_eq!(number(&place.aft("eval some --json").ok().json(), "bytes"), 1000.0);
    let long = place.read("text.txt").repeat(140);
    place.write("text.txt", &long);
    assert_eq!(run("--out long")[..2], [131_072.0, 140_000.0]);
    let config = String::from_utf8(place.read("long/config.toml")).unwrap();
    assert!(config.contains("valid_bytes = \"131072\""), "{config}");
    place.refuses(Place::aft, 2, &[("train text --valid-bytes 0", "--valid-bytes")]);
}

fn numbers() {
    let place = Place::new();
    let runs = [1, 2]
        .map(|_| place.aft(&format!("{TINY} --sample-bytes 0 --json").replace(" --sample-bytes 20", "")).ok().json());
    assert_eq!(runs[0]["run"], "runs/text-001");
    assert_eq!(runs[1]["run"], "runs/text-002");
    assert_eq!(runs[0]["word_share"], Value::Null);
    assert!(!place.list().contains(&"runs/text-001/sample.txt".into()));
}

fn closed_pipe() {
    let place = Place::new();
    place.aft(&format!("{TINY} --out run")).ok();
    let mut command = place.command("generate run --bytes 50");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}
