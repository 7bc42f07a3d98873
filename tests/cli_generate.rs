//! `aft generate`: samples, cuts, the model's length, nonsense.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;
mod small;

use std::process::{Command, Output};

use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::Language;
use harness::trial;
use pollster::block_on;
use serde_json::Value;
use small::small;
use tempfile::TempDir;

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![
            trial(&gpu, "samples are texts of their own", samples),
            trial(&gpu, "text and JSON say the same", text_and_json),
            trial(&gpu, "the model's length is told once or refused", length),
            trial(&gpu, "nonsense ends with 2", nonsense),
        ]
    });
}

/// A folder with an untrained model of 24 positions.
struct Place(TempDir);

impl Place {
    fn new(gpu: &Gpu) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let model = Language::new(gpu, &small(), 24, false, Some(3)).unwrap();
        std::fs::write(place.0.path().join("model.safetensors"), block_on(model.save(gpu)).unwrap()).unwrap();
        place
    }

    fn generate(&self, options: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
        command.current_dir(self.0.path()).args(["generate", "model.safetensors"]).args(options.split_whitespace());
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").output().unwrap()
    }

    fn text(&self, options: &str) -> String {
        let output = self.generate(options);
        assert_eq!(output.status.code(), Some(0), "{options}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, options: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{options} --json"))).unwrap()
    }
}

/// How often stderr notes that the length was reached.
fn notes(output: &Output) -> usize {
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| line.contains("length of 24 bytes is reached"))
        .count()
}

fn samples(gpu: &Gpu) {
    let place = Place::new(gpu);
    let three = place.json("--samples 3 --bytes 20 --prompt ab");
    let texts: Vec<&str> = three["samples"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(texts.len() == 3 && texts[0] != texts[1] && texts[1] != texts[2], "{three}");
    let one = place.json("--bytes 20 --prompt ab");
    assert!(one["text"] == three["text"] && one["text"] == texts[0] && one.get("samples").is_none(), "{one}");
    let printed = place.text("--samples 3 --bytes 20 --prompt ab");
    assert_eq!(
        printed,
        format!("ab{}\n\n--- 2 of 3 ---\nab{}\n\n\n--- 3 of 3 ---\nab{}\n", texts[0], texts[1], texts[2])
    );
}

fn text_and_json(gpu: &Gpu) {
    let place = Place::new(gpu);
    for options in ["--bytes 30", "--bytes 30 --seed 9", "--bytes 30 --top-k 5 --top-p 0.5 --temperature 1.5"] {
        let text = place.text(options);
        assert_eq!(place.json(options)["text"].as_str().unwrap(), text, "{options}");
    }
    assert_eq!(place.text("--bytes 30 --temperature 0"), place.text("--bytes 30 --top-k 1 --seed 4"));
    assert_eq!(place.text("--bytes 0 --prompt unseen"), "");
}

fn length(gpu: &Gpu) {
    let place = Place::new(gpu);
    // An empty prompt is a line end: 24 bytes follow it before one is read again.
    for (options, expected) in [("--bytes 24", 0), ("--bytes 25", 1), ("--bytes 200", 1)] {
        assert_eq!(notes(&place.generate(options)), expected, "{options}");
    }
    let prompt = "x".repeat(30);
    assert_eq!(notes(&place.generate(&format!("--prompt {prompt} --bytes 1"))), 1);
    assert_eq!(place.text("--bytes 24"), place.text("--bytes 24 --stop-at-length"));
    for options in ["--bytes 25 --stop-at-length".to_owned(), format!("--prompt {prompt} --bytes 1 --stop-at-length")] {
        let output = place.generate(&options);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains("the model has 24"), "{options}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

fn nonsense(gpu: &Gpu) {
    let place = Place::new(gpu);
    for (options, part) in [
        ("--temperature=-1", "temperature"),
        ("--temperature nan", "temperature"),
        ("--top-p 0", "top-p"),
        ("--top-p 1.5", "top-p"),
        ("--top-k=-1", "top-k"),
        ("--samples 0", "samples"),
        ("--samples 2000000000", "samples"),
    ] {
        let output = place.generate(options);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(part), "{options}: {stderr}");
        assert!(output.stdout.is_empty() && !stderr.contains("panicked"), "{options}: {stderr}");
    }
}
