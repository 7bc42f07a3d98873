//! Names that come from outside, in what the program prints.

use libtest_mimic::Trial;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::place::{Place, Run, TINY};
use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("names of files are escaped in messages", files),
        trial("names of tensors and fields are escaped in messages", tensors),
        trial("arguments are escaped in messages", arguments),
    ]
}

/// A name that clears a terminal, and forges a message.
const NAME: &str = "x\u{1b}[2J\r\nerror: forged\u{9b}\u{202e}";
const ESCAPED: &str = "x\\u001b[2J\\r\\nerror: forged\\u009b\\u202e";

/// Runs the program; it fails with `code`, and names the escaped name in a message of one line.
fn escapes(place: &Place, line: &str, names: &[&str], code: i32) {
    let mut command = place.command(line);
    command.args(names).env("WGPU_BACKEND", "gl");
    let run = Run::new(line, command.output().unwrap());
    run.fails(code, ESCAPED);
    assert!(!run.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", run.stderr);
}

fn files() {
    let place = Place::new();
    for line in
        ["eval", "generate", "train text --resume", "train text --text", "bench compare", "generate x --prompt-file"]
    {
        escapes(&place, line, &[NAME], 4);
    }
    escapes(&place, "apply --variant simple", &[NAME, "-o", "out"], 4);
    if cfg!(unix) {
        place.write(NAME, b"no model");
        for line in ["eval", "generate", "train text --resume", "bench compare"] {
            escapes(&place, line, &[NAME], 4);
        }
        place.write(NAME, b"");
        escapes(&place, "train text --text", &[NAME], 4);
    }
}

/// Results for people have a line for each name, and none that begins as a name wants.
pub fn runs() {
    if cfg!(windows) {
        return;
    }
    let place = Place::new();
    let run = |line: &str, args: &[&str]| {
        let run = Run::new(line, place.command(line).args(args).output().unwrap()).ok();
        assert!(!run.stdout.lines().any(|line| line.starts_with("error:")), "{line}: {}", run.stdout);
        assert!(run.stdout.contains("x\\nerror: forged"), "{line}: {}", run.stdout);
    };
    run(&format!("{TINY} --out"), &["x\nerror: forged"]);
    run("train text --resume", &["x\nerror: forged"]);
    place.write("x\nerror: forged.txt", &place.read("text.txt"));
    run("eval --text", &["x\nerror: forged.txt", "--", "x\nerror: forged"]);
}

fn tensors() {
    let place = Place::new();
    let view = || TensorView::new(Dtype::F32, vec![1, 1, 1], &[0; 4]).unwrap();
    let file = safetensors::serialize([("k", view()), ("v", view()), (NAME, view())], None).unwrap();
    place.write("in", &file);
    escapes(&place, "apply --variant simple in -o out", &[], 4);
    let metadata = serde_json::json!({"format": 1, NAME: 1, "crc32": 0}).to_string();
    let metadata = std::collections::HashMap::from([("aft".to_owned(), metadata)]);
    let file = safetensors::serialize([(NAME, view())], Some(metadata)).unwrap();
    place.write("model", &file);
    escapes(&place, "eval --accept-edited model", &[], 4);
    place.write("r.json", serde_json::json!({NAME: 1}).to_string().as_bytes());
    place.aft_without_adapter("bench compare r.json").fails(4, "r.json");
    std::fs::create_dir(place.path().join("run")).unwrap();
    place.write("run/config.toml", b"\"x\\u001b[2J\\r\\nerror: forged\\u009b\\u202e\" = 1");
    escapes(&place, "train text --resume run", &[], 4);
}

fn arguments() {
    let place = Place::new();
    for line in ["", "train text", "train text --steps", "train text --variant", "eval a"] {
        escapes(&place, line, &[NAME], 2);
    }
}
