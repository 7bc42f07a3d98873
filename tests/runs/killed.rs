//! Runs that are told to end at any moment.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::TryRecvError;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aft_wgpu::random::pcg4d;

use crate::place::{End, Place, STEPS, begin_line, signal, uninterrupted};

/// A run that is told to end at moments of every kind: while it starts, while it saves, between; each time the next goes on.
pub fn killed(how: &str) {
    let all = std::env::var_os("AFT_TEST_ALL").is_some();
    let (times, steps) = if all { (20, 8 * STEPS) } else { (3, STEPS) };
    let place = Place::new();
    for time in 0.. {
        let [kind, saves, wait, _] = pcg4d([time, how.len() as u32, 0, 0]);
        // A run killed before it has a configuration was never begun.
        let begun = place.run().join("config.toml").exists();
        let mut child = if begun { place.resume() } else { place.aft(&begin_line(steps)) }.spawn().unwrap();
        if time < times {
            let micros = if kind % 3 == 0 {
                wait % 600_000
            } else {
                place.wait_for_saves(&mut child, 1 + saves % 3);
                wait % 20_000
            };
            sleep(Duration::from_micros(micros.into()));
            // One that has ended on its own takes no signal.
            if child.try_wait().unwrap().is_none() {
                signal(&child, how);
            }
        }
        let end = End::wait(child);
        // None: by the signal.
        assert!([None, Some(0), Some(130)].contains(&end.code), "{:?} {}", end.code, end.stderr);
        // Whatever the moment, what is there is whole.
        let step = place.checkpoint().map_or(0, |checkpoint| checkpoint.step());
        if end.code == Some(0) {
            assert!(time >= times || step == steps);
            break;
        }
        assert!(time < times, "it ended without a signal: {}", end.stderr);
    }
    if all { place.ended_with(&uninterrupted(steps), steps) } else { place.ended_well() }
}

pub fn interrupted() {
    let place = Place::new();
    let mut child = place.begin().spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 1));
    signal(&child, "INT");
    let end = End::wait(child);
    let step = place.checkpoint().unwrap().step();
    assert!(step < STEPS, "it went on");
    end.fails(130, &[&format!("interrupted after step {step}, and saved"), "--resume run"]);
    assert!(!place.files().contains(&"model.safetensors".into()));
    place.ends_well();
}

pub fn interrupted_twice() {
    let place = Place::new();
    let mut child = place.begin().spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 1));
    signal(&child, "INT");
    // Gone already if the first was served by now.
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    assert_eq!(End::wait(child).code, Some(130));
    assert!(place.checkpoint().is_some());
    place.ends_well();
}

/// As under nohup, and as a shell's job in the background: only what is not ignored is heard.
pub fn ignored() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_aft");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' INT HUP; exec '{program}' {}", begin_line(8 * STEPS))]);
    command.current_dir(place.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert!(place.wait_for_saves(&mut child, 1));
    ["INT", "HUP", "INT"].into_iter().for_each(|name| signal(&child, name));
    assert!(place.wait_for_saves(&mut child, 3), "it ended by a signal that it was to ignore");
    signal(&child, "TERM");
    let end = End::wait(child);
    end.fails(130, &["interrupted after step", "--resume run"]);
    assert_eq!(end.stderr.matches("finishing the step").count(), 1, "{}", end.stderr);
}

/// Waits for a line of a program's stderr that has `part` in it, and returns what comes after it.
fn wait_for_line(child: &mut Child, part: &str) -> Lines<BufReader<ChildStderr>> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(part)), "no word of {part}");
    lines
}

/// An evaluation of minutes, in training and by itself.
pub fn evaluating() {
    let place = Place::new();
    let text = fs::read(place.path().join("text.txt")).unwrap().repeat(400);
    fs::write(place.path().join("long.txt"), text).unwrap();
    let line = begin_line(2).replace("text.txt", "long.txt");
    let mut child = place.aft(&format!("{line} --valid-bytes all")).spawn().unwrap();
    let rest = wait_for_line(&mut child, "evaluating");
    signal(&child, "TERM");
    let last = rest.map(Result::unwrap).last().unwrap();
    assert!(last.contains("interrupted after step 2, and saved") && last.contains("--resume run"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!place.files().contains(&"model.safetensors".into()));
    let mut child = place.aft("eval run").spawn().unwrap();
    wait_for_line(&mut child, "evaluating");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // A part of it is a matter of a moment.
    let end = End::of(place.aft("train text --resume run --valid-bytes 640 --json")).ok();
    assert!(end.stdout.contains("\"valid_bytes\":640,"), "{}", end.stdout);
}

/// As where another program takes nearly all of the processor until the first step.
pub fn slow_start() {
    const SECONDS: f64 = 8.0;
    let place = Place::new();
    let line = begin_line(2).replace("--steps 2 --save-every 5", &format!("--time {SECONDS} --json"));
    let start = Instant::now();
    let mut child = place.aft(&line).spawn().unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let rest = wait_for_line(&mut child, "measuring");
    let reader = std::thread::spawn(move || {
        let mut lines: Vec<String> = Vec::new();
        for line in rest.map(Result::unwrap) {
            if line.starts_with("run ") {
                let _ = told.send(());
            }
            lines.push(line);
        }
        lines
    });
    while heard.try_recv() == Err(TryRecvError::Empty) {
        signal(&child, "STOP");
        sleep(Duration::from_millis(60));
        signal(&child, "CONT");
        sleep(Duration::from_millis(10));
    }
    let (measured, end) = (start.elapsed().as_secs_f64(), End::wait(child));
    let lines = reader.join().unwrap();
    assert_eq!(end.code, Some(0), "{lines:?}");
    let result: serde_json::Value = serde_json::from_str(&end.stdout).unwrap();
    let [seconds, steps] = ["seconds", "steps"].map(|key| result[key].as_f64().unwrap());
    // A number of steps from the slow start alone would be done in a tenth of what is left.
    let used = (seconds - measured) / (SECONDS - measured);
    assert!(used > 0.5 || measured > SECONDS, "ended after {seconds} s, and its first step was at {measured} s");
    let on_time = (seconds - SECONDS).abs() <= 0.1 * SECONDS;
    assert!(on_time || lines.iter().any(|line| line.contains("the run took")), "{seconds} s: {lines:?}");
    let config = fs::read_to_string(place.run().join("config.toml")).unwrap();
    let has = |part: String| config.lines().any(|line| line == part);
    assert!(has(format!("steps = {steps}")) && !config.contains("measuring"), "{config}");
}
