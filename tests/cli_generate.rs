//! `aft generate`: samples, cuts, the model's length, nonsense.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;
mod small;

use std::process::{Command, Output};

use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::Language;
use harness::trial;
use pollster::block_on;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
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
            trial(&gpu, "prompts are taken as they are", prompts),
            trial(&gpu, "bytes go in and out as they are", raw),
            trial(&gpu, "an edited model is told from a damaged one, and taken when asked", edited),
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
        self.command("model.safetensors").args(options.split_whitespace()).output().unwrap()
    }

    fn command(&self, model: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
        command.current_dir(self.0.path()).args(["generate", model]);
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command
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

fn prompts(gpu: &Gpu) {
    let place = Place::new(gpu);
    for prompt in ["- item", "--Enter HAMLET", "--json", "-", "--", "-1", "two\nlines"] {
        let output = place.command("model.safetensors").args(["--bytes", "5", "--prompt", prompt]).output().unwrap();
        assert!(output.status.success(), "{prompt}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.starts_with(prompt.as_bytes()), "{prompt}");
    }
}

/// Bytes that are not UTF-8.
const BYTES: [u8; 6] = [0xff, b'a', 0, 0x80, b'\n', 0xc3];

fn raw(gpu: &Gpu) {
    let place = Place::new(gpu);
    std::fs::write(place.0.path().join("prompt"), BYTES).unwrap();
    let run = |options: &str| {
        let output = place.generate(options);
        assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let options = "--bytes 60 --temperature 2 --prompt-file prompt";
    let bytes = run(&format!("{options} --raw"));
    assert_eq!((bytes.len(), &bytes[..BYTES.len()]), (BYTES.len() + 60, &BYTES[..]));
    assert!(std::str::from_utf8(&bytes[BYTES.len()..]).is_err(), "an untrained model makes no UTF-8");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_eq!(run(options), text.as_bytes());
    let json: Value = serde_json::from_slice(&run(&format!("{options} --json"))).unwrap();
    assert_eq!(json["prompt"].as_str().unwrap(), String::from_utf8_lossy(&BYTES));
    // The same bytes by standard input, and as an argument.
    let mut command = place.command("model.safetensors");
    command.args("--bytes 60 --temperature 2 --raw --prompt-file -".split(' '));
    let prompt = std::fs::File::open(place.0.path().join("prompt")).unwrap();
    assert_eq!(command.stdin(prompt).output().unwrap().stdout, bytes);
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        // An argument holds no zero.
        let argument = std::ffi::OsStr::from_bytes(b"\xff\xc3a\x80");
        let output = place.command("model.safetensors").args(["--raw", "--prompt"]).arg(argument).output().unwrap();
        assert!(output.stdout.starts_with(argument.as_bytes()) && output.stdout.len() == 1004);
    }
    // An empty file is an empty prompt.
    std::fs::write(place.0.path().join("prompt"), "").unwrap();
    assert_eq!(run("--bytes 9 --raw --prompt-file prompt"), run("--bytes 9 --raw"));
}

fn edited(gpu: &Gpu) {
    let place = Place::new(gpu);
    let path = |name: &str| place.0.path().join(name);
    let whole = std::fs::read(path("model.safetensors")).unwrap();
    let run =
        |name: &str, option: Option<&str>| place.command(name).args(["--bytes", "30", "--raw"]).args(option).output();
    let accept = Some("--accept-edited");
    let refused = |name: &str, option: Option<&str>, part: &str| {
        let output = run(name, option).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(4) && stderr.contains(part), "{name}: {stderr}");
        assert!(output.stdout.is_empty());
    };
    let expected = run("model.safetensors", None).unwrap().stdout;
    assert_eq!(run("model.safetensors", accept).unwrap().stdout, expected, "a file that is whole");

    // As Python saves it: the same tensors and metadata, by another writer.
    let save = |name: &str, scale: f32, metadata: Option<std::collections::HashMap<String, String>>| {
        let tensors = SafeTensors::deserialize(&whole).unwrap();
        let values: Vec<_> = tensors
            .iter()
            .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), floats(view.data(), scale)))
            .collect();
        let views = values
            .iter()
            .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        std::fs::write(path(name), safetensors::serialize(views, metadata).unwrap()).unwrap();
    };
    let metadata = SafeTensors::read_metadata(&whole).unwrap().1.metadata().clone().unwrap();
    save("same", 1.0, Some(metadata.clone()));
    assert_eq!(run("same", None).unwrap().stdout, expected, "saved again without a change");
    save("edited", 3.0, Some(metadata.clone()));
    refused("edited", None, "edited: another program saved it since");
    refused("edited", None, "--accept-edited");
    let stdout = run("edited", accept).unwrap().stdout;
    assert!(stdout.len() == 30 && stdout != expected);
    let spaced = metadata["aft"].replace(",", ", ");
    save("spaced", 1.0, Some([("aft".to_owned(), spaced)].into()));
    refused("spaced", None, "edited: another program saved it since, and its metadata is not as it was written");
    assert_eq!(run("spaced", accept).unwrap().stdout, expected);
    save("infinite", f32::INFINITY, Some(metadata));
    refused("infinite", accept, "is not finite at element");
    for (name, metadata) in [("bare", None), ("other", Some([("format".to_owned(), "pt".to_owned())].into()))] {
        save(name, 1.0, metadata);
        for option in [None, accept] {
            refused(name, option, "its metadata has no entry \"aft\", which describes the model");
        }
    }

    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(path("damaged"), damaged).unwrap();
    std::fs::write(path("cut"), &whole[..whole.len() - 4]).unwrap();
    for option in [None, accept] {
        refused("damaged", option, "damaged: its content does not have the checksum");
        refused("cut", option, "not a safetensors file");
    }
}

/// The values of a tensor, scaled.
fn floats(bytes: &[u8], scale: f32) -> Vec<u8> {
    let values = bytes.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()) * scale);
    values.flat_map(f32::to_le_bytes).collect()
}
