//! What a run goes on from, and what not.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

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
    place.ends_well();
}

pub fn lost_device() {
    // Before the first checkpoint, between two, at the end.
    for step in [2, 63, STEPS] {
        let place = Place::new();
        let mut command = place.begin();
        command.env("AFT_INJECT", format!("lose-device@{step}"));
        let end = End::of(command).ok();
        assert!(end.stderr.contains("device was lost") && end.stderr.contains("a new device"), "{}", end.stderr);
        place.ended_well();
    }
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
    other.fails(2, &["another text"]);
    fs::write(&file, "no checkpoint").unwrap();
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
    fs::write(place.run().join("checkpoint.safetensorsAbC.tmp"), &whole[..99]).unwrap();
    let mut child = place.resume().spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 2));
    child.kill().unwrap();
    child.wait().unwrap();
    // The latest broken: the one before it serves.
    fs::write(&latest, &whole[..whole.len() - 1]).unwrap();
    let end = End::of(place.resume()).ok();
    assert!(end.stderr.contains("going on from the checkpoint before it"), "{}", end.stderr);
    place.ended_well();
}

pub fn misfits() {
    let place = Place::new();
    place.begin_and_kill(1);
    let files = place.files();
    for (options, parts) in [
        ("--layers 5", ["--layers 5", "the run has 1"]),
        ("--steps 9", ["--steps 9", "the run has 150"]),
        ("--lr 0.5", ["--lr 0.5", "the run has"]),
        ("--out other", ["--out", "its own folder"]),
        ("--text other.txt", ["--text", "another text"]),
    ] {
        End::of(place.aft(&format!("train text --resume run {options}"))).fails(2, &parts);
        assert_eq!(place.files(), files, "{options}");
    }
    End::of(place.aft("train text --resume nowhere")).fails(4, &["nowhere"]);
    // What the run has may be said again.
    End::of(place.aft("train text --resume run --layers 1 --steps 150 --seed 3")).ok();
    place.ended_well();
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
        (whole.replace("layers = 1\n", ""), "layers"),
        (whole.replace("layers = 1\n", "layers = 2\n"), "another run"),
        (whole[..whole.len() / 2].to_owned(), "not the configuration"),
        (String::new(), "not the configuration"),
    ] {
        assert_ne!(text, whole);
        fs::write(&config, text).unwrap();
        End::of(place.resume()).fails(4, &[part]);
    }
    fs::write(&config, whole).unwrap();
    place.ends_well();
}
