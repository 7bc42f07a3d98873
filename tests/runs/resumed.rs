//! What a run goes on from, and what not.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aft_wgpu::train::Checkpoint;

use crate::place::{End, Place, STEPS, begin_line};

pub fn never_saved() {
    let place = Place::new();
    let mut child = place.aft(&begin_line(STEPS).replace("--save-every 5", "--save-every 1h")).spawn().unwrap();
    while !place.run().join("metrics.jsonl").exists() {
        assert!(child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.checkpoint().is_none());
    // It has no checkpoint that could tell, and its text is known all the same.
    let text = place.path().join("text.txt");
    let whole = fs::read(&text).unwrap();
    fs::write(&text, [b"another beginning\n", &whole[..]].concat()).unwrap();
    End::of(place.resume()).fails(4, &["text.txt: not the text that the run was begun with"]);
    fs::write(&text, whole).unwrap();
    let end = End::of(place.resume()).ok();
    assert!(end.stderr.contains("from the start"), "{}", end.stderr);
    place.ended_well();
}

pub fn lost_device() {
    // Before the first checkpoint, between two, at the end.
    for step in [2, 63, STEPS] {
        let place = Place::new();
        let mut command = place.begin();
        command.env("AFT_INJECT", format!("lose-device@{step}"));
        let start = Instant::now();
        let end = End::of(command).ok();
        let all = start.elapsed().as_secs_f64();
        assert!(end.stderr.contains("device was lost") && end.stderr.contains("a new device"), "{}", end.stderr);
        place.ended_well();
        // No second counts twice.
        let seconds = place.metrics().last().unwrap()["seconds"].as_f64().unwrap();
        assert!(seconds <= all, "{seconds} s of {all} s");
    }
}

pub fn lost_devices() {
    let place = Place::new();
    let losing = |mut command: Command, fault: &str| {
        command.env("AFT_INJECT", fault);
        End::of(command)
    };
    losing(place.begin(), "lose-device@soon").fails(2, &["AFT_INJECT", "lose-device@soon"]);
    assert!(!place.run().exists());
    let end = losing(place.begin(), "lose-every-device@2");
    end.fails(5, &["device was lost", "aft train text --resume run"]);
    assert_eq!(end.stderr.matches("a new device goes on from step 0").count(), 3, "{}", end.stderr);
    // Lost later, a run gives up as well, and keeps what it had saved.
    let end = losing(place.resume(), "lose-every-device@60");
    assert!(place.checkpoint().unwrap().step() >= 50);
    end.fails(5, &["--resume run"]);
    place.ends_well();
}

pub fn finished() {
    let place = Place::new();
    End::of(place.begin()).ok();
    place.ended_well();
    let files = place.files();
    assert!(End::of(place.resume()).ok().stdout.contains("run is finished"));
    let json = End::of(place.aft("train text --resume run --json")).ok().stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["finished"], true);
    assert_eq!(place.files(), files);
    place.ended_well();
    // As if it had been killed after the last line of its metrics: the line stays the only one of its step.
    fs::remove_file(place.run().join("model.safetensors")).unwrap();
    let metrics = fs::read(place.run().join("metrics.jsonl")).unwrap();
    place.ends_well();
    assert!(fs::read(place.run().join("metrics.jsonl")).unwrap() == metrics);
}

pub fn from_a_file() {
    let place = Place::new();
    place.begin_and_kill(2);
    let file = place.path().join("downloaded");
    fs::rename(place.run().join("checkpoint.safetensors"), &file).unwrap();
    fs::remove_dir_all(place.run()).unwrap();
    let line = "train text --resume downloaded --text text.txt --out run --sample-bytes 20 --save-every 5";
    End::of(place.aft(line)).ok();
    place.ended_well();
    // Another text is not the run's, and a file that is no checkpoint no run.
    fs::write(place.path().join("other.txt"), "jackdaws love my big sphinx of quartz\n".repeat(400)).unwrap();
    let other = End::of(place.aft("train text --resume downloaded --text other.txt --out other"));
    other.fails(4, &["other.txt: not the text that the run was begun with"]);
    fs::write(&file, "no checkpoint").unwrap();
    if cfg!(unix) {
        for endless in ["/dev/zero", "/dev/null"] {
            End::of(place.aft(&format!("train text --resume {endless} --out other"))).fails(4, &["not a regular file"]);
        }
    }
    End::of(place.aft("train text --resume downloaded --out other"))
        .fails(4, &["downloaded", "not a safetensors file"]);
    assert!(!place.path().join("other").exists());
}

pub fn broken_checkpoint() {
    let place = Place::new();
    place.begin_and_kill(4);
    let [latest, previous] = ["checkpoint.safetensors", "checkpoint.previous.safetensors"].map(|f| place.run().join(f));
    let whole = fs::read(&previous).unwrap();
    // Both broken: nothing to go on from, and nothing is touched.
    fs::write(&latest, &whole[..whole.len() / 2]).unwrap();
    fs::write(&previous, "").unwrap();
    let files = place.files();
    End::of(place.resume()).fails(4, &["checkpoint.safetensors", "not a safetensors file"]);
    assert_eq!(place.files().iter().filter(|f| f.contains("checkpoint")).count(), 2, "{files:?}");
    // Killed between the renames of a save: only the one before is there, and a file without a name.
    fs::remove_file(&latest).unwrap();
    fs::write(&previous, &whole).unwrap();
    fs::write(place.run().join(".aft-AbC.tmp"), &whole[..99]).unwrap();
    let mut child = place.resume().spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 2));
    child.kill().unwrap();
    child.wait().unwrap();
    // The latest broken by one bit: the one before it serves, to measure and to go on, and is itself replaced by none but a
    // good one.
    let step = Checkpoint::from_bytes(&fs::read(&previous).unwrap()).unwrap().step();
    let mut broken = whole;
    *broken.last_mut().unwrap() ^= 1;
    fs::write(&latest, &broken).unwrap();
    let files = place.files();
    let end = End::of(place.aft("eval run")).ok();
    assert!(end.stderr.contains(&format!("reading its checkpoint of step {step}")), "{}", end.stderr);
    assert_eq!(place.files(), files);
    let mut child = place.resume().spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 1));
    child.kill().unwrap();
    let end = End::wait(child);
    assert!(end.stderr.contains("going on from the checkpoint before it"), "{}", end.stderr);
    for good in [&latest, &previous] {
        assert!(Checkpoint::from_bytes(&fs::read(good).unwrap()).unwrap().step() >= step, "{}", good.display());
    }
    assert!(fs::read(place.run().join("checkpoint.broken.safetensors")).unwrap() == broken);
    place.ends_well();
}

pub fn moved_text() {
    let place = Place::new();
    place.begin_and_kill(1);
    let [text, moved] = ["text.txt", "moved.txt"].map(|name| place.path().join(name));
    fs::rename(&text, &moved).unwrap();
    End::of(place.resume()).fails(4, &["text.txt: no such file"]);
    fs::write(&text, "jackdaws love my big sphinx of quartz\n".repeat(400)).unwrap();
    for line in ["train text --resume run", "train text --resume run --text text.txt"] {
        End::of(place.aft(line)).fails(4, &["text.txt: not the text that the run was begun with", "--init"]);
    }
    let mut child = place.aft("train text --resume run --text moved.txt").spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 1));
    child.kill().unwrap();
    child.wait().unwrap();
    // From now on it is the run's.
    place.ends_well();
    End::of(place.aft("eval run")).ok();
}

pub fn other_habits() {
    let place = Place::new();
    place.begin_and_kill(1);
    let config = place.run().join("config.toml");
    let mut child = place.aft("train text --resume run --save-every 7 --sample-bytes 9").spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 1));
    child.kill().unwrap();
    child.wait().unwrap();
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("save_every = \"7\"") && text.contains("sample_bytes = 9\n"), "{text}");
    fs::write(&config, text.replace("sample_bytes = 9\n", "")).unwrap();
    place.ends_well();
    assert_eq!(fs::read(place.run().join("sample.txt")).unwrap().len(), 2000);
}

pub fn misfits() {
    let place = Place::new();
    place.begin_and_kill(1);
    let files = place.files();
    for (options, parts) in [
        ("--layers 5", ["--layers 5", "the run has 1", "Without --resume"]),
        ("--steps 9", ["--steps 9", "the run has 150", "--init"]),
        ("--time 9", ["--time", "is fixed", "--steps N with more than 150"]),
        ("--lr 0.5", ["--lr 0.5", "the run has", "--init"]),
        ("--hold 5", ["--hold 5", "the run has 0", "--init"]),
        ("--out other", ["--out", "its own folder", "--resume run/checkpoint.safetensors"]),
        ("--variant simple", ["--variant simple", "the run has local", "Without --resume"]),
    ] {
        End::of(place.aft(&format!("train text --resume run {options}"))).fails(2, &parts);
        assert_eq!(place.files(), files, "{options}");
    }
    End::of(place.aft("train text --resume nowhere")).fails(4, &["nowhere"]);
    // What the run has may be said again.
    End::of(place.aft("train text --resume run --layers 1 --steps 150 --seed 3")).ok();
    place.ended_well();
}

/// The learning rates of the run's lines, by step.
fn rates(place: &Place) -> Vec<(u64, f64)> {
    let lines = place.metrics();
    lines.iter().filter_map(|line| Some((line["step"].as_u64()?, line["lr"].as_f64()?))).collect()
}

pub fn longer() {
    const MORE: u32 = 180;
    let place = Place::new();
    End::of(place.begin()).ok();
    let line = format!("train text --resume run --steps {MORE}");
    let before = rates(&place);
    // Stopped on the way, it is a run that goes on to the new number by itself.
    let mut child = place.aft(&line).spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 2));
    child.kill().unwrap();
    child.wait().unwrap();
    let models =
        || ["model.safetensors", "model.previous.safetensors"].map(|name| place.files().contains(&name.into()));
    assert_eq!(models(), [false, true], "the model of fewer steps is kept until there is another");
    End::of(place.aft(&line)).ok();
    assert_eq!(models(), [true, false]);
    let whole = Place::new();
    End::of(whole.begin()).ok();
    End::of(whole.aft(&line)).ok();
    place.ended_with(&fs::read(whole.run().join("model.safetensors")).unwrap(), MORE);
    // What was done stays; then the rate is that of a run of the new number of steps.
    let after = rates(&place);
    assert_eq!(after[..before.len()], before[..]);
    let warmup = f64::from(STEPS / 10);
    let expected = |step: u64| {
        let past = (step as f64 - 1.0 - warmup) / (f64::from(MORE) - warmup);
        0.005 * (1.0 + (std::f64::consts::PI * past).cos())
    };
    let at = |step: u64| after.iter().find(|(at, _)| *at == step).unwrap().1;
    for step in [151, 160, 180] {
        // MORE / 10 steps of warm-up, not STEPS / 10, and WGSL's cos: far below the rate at its peak.
        assert!((at(step) - expected(step)).abs() < 2e-4, "{step}: {}, not {}", at(step), expected(step));
    }
    assert!(at(151) > 2.0 * at(150), "{} {}", at(150), at(151));
    // The new number is the run's.
    End::of(place.aft("train text --resume run --steps 150"))
        .fails(2, &["--steps 150", "the run has 180", "--init RUN"]);
    assert!(End::of(place.aft(&line)).ok().stdout.contains("run is finished: all of its 180 steps"));
    // Another text is no reason to say that all is done.
    fs::write(place.path().join("other.txt"), "jackdaws love my big sphinx of quartz\n".repeat(400)).unwrap();
    let other = End::of(place.aft("train text --resume run --text other.txt"));
    other.fails(4, &["other.txt: not the text that the run was begun with", "--init RUN"]);
}

pub fn from_weights() {
    let place = Place::new();
    End::of(place.begin()).ok();
    fs::write(place.path().join("other.txt"), "jackdaws love my big sphinx of quartz\n".repeat(400)).unwrap();
    let settings = "--text other.txt --steps 30 --save-every 5 --batch 3 --seed 8 --sample-bytes 0 --json";
    let bits =
        |end: End| serde_json::from_str::<serde_json::Value>(&end.stdout).unwrap()["valid_bits_per_byte"].as_f64();
    let run = End::of(place.aft(&format!("train text --init run {settings} --out a"))).ok();
    assert!(run.stderr.contains("weights  those of run/model.safetensors"), "{}", run.stderr);
    End::of(place.aft(&format!("train text --init run/model.safetensors {settings} --out b"))).ok();
    let model = |run: &str| fs::read(place.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("a") == model("b") && model("a") != model("run"));
    let fresh = End::of(place.aft(&format!("train text {settings} --layers 1 --dim 16 --length 32 --out c"))).ok();
    assert!(bits(run) < bits(fresh), "the weights are of no use");
    // It has its weights before its first step, and goes on from there.
    let mut child = place.aft(&format!("train text --init run {settings} --out d")).spawn().unwrap();
    while !place.path().join("d/config.toml").exists() {
        assert!(child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    End::of(place.aft("train text --resume d")).ok();
    assert!(model("d") == model("a"));
    // Of the model dropout alone may differ; without --text it is the text of the run.
    for (options, parts) in [
        ("--init run --layers 5", ["--layers 5", "the model has 1", "Without --init"]),
        ("--init run --variant simple", ["--variant simple", "the model has local", "Without --init"]),
    ] {
        End::of(place.aft(&format!("train text {options} --out e"))).fails(2, &parts);
    }
    assert_eq!(End::of(place.aft("train text --init run --resume run")).code, Some(2));
    End::of(place.aft("train text --init other.txt --out e")).fails(4, &["other.txt", "not a safetensors file"]);
    assert!(!place.path().join("e").exists());
    End::of(place.aft("train text --init run --dropout 0.1 --steps 2 --sample-bytes 0 --out e")).ok();
    assert!(fs::read_to_string(place.path().join("e/config.toml")).unwrap().contains("/text.txt"));
}

pub fn other_configs() {
    let place = Place::new();
    place.begin_and_kill(1);
    let config = place.run().join("config.toml");
    let whole = fs::read_to_string(&config).unwrap();
    for (text, part) in [
        (format!("newer = 1\n{whole}"), "newer"),
        (whole.replace("[model]", "[model]\nnewer = 1"), "newer"),
        (whole.replace("variant = \"local\"", "variant = \"newer\""), "newer"),
        (whole.replace("variant = \"local\"", "variant = \"conv2d\""), "AFT-conv2d mixes an image grid"),
        (whole.replace("layers = 1\n", ""), "layers"),
        (whole.replace("layers = 1\n", "layers = 2\n"), "another run"),
        (whole.replace("layers = 1\n", "layers = 0\n"), "layers"),
        (whole.replace("batch = 2\n", "batch = 0\n"), "batch"),
        (format!("time_seconds = nan\n{whole}"), "time_seconds"),
        (format!("time_seconds = -1.0\n{whole}"), "time_seconds"),
        (format!("measuring = true\n{whole}"), "measuring"),
        (whole.replace("\"5\"", "\"0\""), "a number of steps"),
        (whole[..whole.len() / 2].to_owned(), "not the configuration"),
        (String::new(), "not the configuration"),
    ] {
        assert_ne!(text, whole);
        fs::write(&config, text).unwrap();
        End::of(place.resume()).fails(4, &["config.toml", part]);
    }
    fs::write(&config, whole).unwrap();
    place.ends_well();
}
