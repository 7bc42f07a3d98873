//! Adapters: listed, unknown, and of a driver that looks for a display.

use safetensors::tensor::{Dtype, TensorView};

use crate::place::{Place, Run, TINY};

pub fn listed() {
    let place = Place::new();
    let rows = place.aft("adapters --json").ok().json();
    let first = &rows[0];
    assert_eq!(first["index"], 0);
    let lines = place.aft("adapters").ok().stdout;
    assert!(lines.lines().next().unwrap().contains(first["name"].as_str().unwrap()), "{lines}");
    assert_eq!(lines.lines().count(), rows.as_array().unwrap().len());
    assert!(["discrete", "integrated", "unknown", "software"].contains(&first["class"].as_str().unwrap()));
    assert!(first.get("tuning").is_none());
    let target = |rows: &serde_json::Value| rows[0]["tuning"]["target"].as_str().unwrap().to_owned();
    let expected = if first["class"] == "software" { "cpu" } else { "gpu" };
    assert_eq!(target(&place.aft("adapters --json --verbose").ok().json()), expected);
    let verbose = place.aft("adapters --verbose").ok().stdout;
    assert!(
        verbose.contains(&format!("target              \"{expected}\"")) && verbose.contains("scan_threads"),
        "{verbose}"
    );
    let line = "adapters --json --verbose";
    let forced = |tuning| Run::new(line, place.command(line).env("AFT_TUNING", tuning).output().unwrap());
    for tuning in ["cpu", "gpu"] {
        assert_eq!(target(&forced(tuning).ok().json()), tuning);
    }
    forced("tpu").fails(2, "AFT_TUNING is cpu or gpu, not \"tpu\"");
}

pub fn unknown() {
    // A number of two digits occurs in many names, as in llvmpipe's, and is an index all the same.
    for wish in ["no-such-gpu", "15", "99"] {
        let (line, part) =
            (format!("{TINY} --adapter {wish}"), format!("no adapter matches \"{wish}\"; there are: 0: "));
        Place::new().refuses(Place::aft, 3, &[(&line, &part)]);
    }
}

/// libwayland has an error line of its own where XDG_RUNTIME_DIR names no folder.
pub fn without_display() {
    let place = Place::new();
    let without_display = |line: &str| {
        let mut command = place.command(line);
        command.env_remove("XDG_RUNTIME_DIR").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
        Run::new(line, command.output().unwrap())
    };
    assert_eq!(without_display("adapters").ok().stderr, "");
    place.aft(&format!("{TINY} --out run")).ok();
    let tensors = [("q", [0; 16]), ("k", [0; 16]), ("v", [0; 16])];
    let tensors =
        tensors.each_ref().map(|(name, bytes)| (*name, TensorView::new(Dtype::F32, vec![1, 1, 4], bytes).unwrap()));
    place.write("in.safetensors", &safetensors::serialize(tensors, None).unwrap());
    for line in [
        "check",
        "apply --variant simple in.safetensors -o out.safetensors",
        "bench",
        "bench --op aft --explain",
        TINY,
        "eval run",
        "generate run",
    ] {
        let Run { stderr, .. } = without_display(&format!("{line} --adapter no-such-gpu"));
        assert!(stderr.starts_with("error: no adapter matches") && stderr.lines().count() == 1, "{line}: {stderr}");
    }
}
