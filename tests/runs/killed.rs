//! Runs that are told to end at any moment.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

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
