//! Runs of `aft train text` that are killed, interrupted, starved of disk or device, and go on: whatever happens, the folder
//! holds whole files, and in the end the model of a run that nothing happened to. `AFT_TEST_ALL` kills more often.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use aft_wgpu::random::pcg4d;
use aft_wgpu::train::Checkpoint;
use libtest_mimic::Trial;
use tempfile::TempDir;

fn main() {
    harness::run(&Default::default(), |gpu| {
        let trial = |name, test: fn()| harness::trial(&gpu, name, move |_| test());
        let mounts = |name, test| if may_mount() { trial(name, test) } else { ignored(name, "may not mount") };
        let mut trials = vec![
            trial("a run that lost its device ends as if it had not", lost_device),
            trial("a run saved nowhere begins again", never_saved),
            trial("a finished run says so", finished),
            trial("a checkpoint begins a folder of its own", from_a_file),
            trial("a broken checkpoint gives way to the one before it", broken_checkpoint),
            trial("options that do not fit a run end with 2", misfits),
            trial("a configuration of another version ends with 4", other_configs),
            trial("of two runs into one folder one is refused", two_runs),
        ];
        if cfg!(unix) {
            trials.extend([
                trial("kill -9 at random moments changes nothing", || killed("KILL")),
                trial("Ctrl-C at random moments changes nothing", || killed("INT")),
                trial("Ctrl-C saves and ends with 130", interrupted),
                trial("Ctrl-C twice ends at once", interrupted_twice),
                trial("files that may not grow end with 4", no_growth),
                mounts("a full disk ends with 4", full_disk),
                mounts("a read-only folder ends with 4", read_only),
            ]);
        }
        trials
    });
}

fn ignored(name: &str, reason: &str) -> Trial {
    Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind(reason)
}

/// Many short steps, with a checkpoint every few.
const STEPS: u32 = 150;

/// A folder with a text, and in it the folder `run`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let word = |i: u32| ["the ", "quick ", "brown ", "fox ", "jumps.\n"][pcg4d([i, 0, 0, 9])[0] as usize % 5];
        fs::write(place.path().join("text.txt"), (0..4000).map(word).collect::<String>()).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self) -> PathBuf {
        self.path().join("run")
    }

    /// The program in this folder, with the words of `line` as arguments.
    fn aft(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
        command.current_dir(self.path()).args(line.split_whitespace());
        command.env_remove("RUST_LOG").env_remove("AFT_INJECT");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A new run into `run`.
    fn begin(&self) -> Command {
        self.aft(&begin_line(STEPS))
    }

    fn resume(&self) -> Command {
        self.aft("train text --resume run")
    }

    /// Begins a run and kills it after `saves` checkpoints.
    fn begin_and_kill(&self, saves: u32) {
        let mut child = self.begin().spawn().unwrap();
        assert!(self.wait_for_saves(&mut child, saves), "the run ended before it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until `saves` checkpoints more were written; whether the run is still at work.
    fn wait_for_saves(&self, child: &mut Child, saves: u32) -> bool {
        let checkpoint = self.run().join("checkpoint.safetensors");
        // By bytes: times of files are coarse, and inodes come back.
        let look = || fs::read(&checkpoint).ok();
        let mut last = look();
        let mut seen = 0;
        while seen < saves {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            // Between two renames there is none.
            if let now @ Some(_) = look()
                && now != last
            {
                last = now;
                seen += 1;
            }
            sleep(Duration::from_millis(1));
        }
        true
    }

    /// Every file in the run's folder, sorted.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.run()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// The last good checkpoint: the file of that name, or the one before it; none if the run was never saved.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let read = |name| fs::read(self.run().join(name)).ok();
        let bytes = read("checkpoint.safetensors").or_else(|| read("checkpoint.previous.safetensors"))?;
        Some(Checkpoint::from_bytes(&bytes).unwrap())
    }

    /// Goes on to the end, and ends with the model of a run that nothing happened to.
    fn ends_well(&self) {
        End::of(self.resume()).ok();
        self.ended_well();
    }

    fn ended_well(&self) {
        static UNINTERRUPTED: OnceLock<Vec<u8>> = OnceLock::new();
        let expected = UNINTERRUPTED.get_or_init(|| uninterrupted(STEPS));
        self.ended_with(expected, STEPS);
    }

    fn ended_with(&self, model: &[u8], steps: u32) {
        let run = self.run();
        assert!(fs::read(run.join("model.safetensors")).unwrap() == model, "another model than without interruption");
        assert_eq!(self.checkpoint().unwrap().step(), steps);
        let unfinished: Vec<_> = self.files().into_iter().filter(|name| name.ends_with(".tmp")).collect();
        assert_eq!(unfinished, Vec::<String>::new());
        // One line a step or more, whole and in order, as if there had been one run.
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_u64().unwrap();
        let logged: Vec<_> = metrics.lines().map(line).collect();
        assert!(logged.is_sorted_by(|a, b| a < b) && logged.last() == Some(&u64::from(steps)), "{logged:?}");
    }
}

fn begin_line(steps: u32) -> String {
    format!(
        "train text --text text.txt --out run --steps {steps} --save-every 5 --layers 1 --dim 16 --length 32 --batch 2 \
         --seed 3 --sample-bytes 20"
    )
}

/// The model of a run that nothing happens to.
fn uninterrupted(steps: u32) -> Vec<u8> {
    let place = Place::new();
    End::of(place.aft(&begin_line(steps))).ok();
    fs::read(place.run().join("model.safetensors")).unwrap()
}

/// How the program ended.
struct End {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl End {
    fn of(mut command: Command) -> Self {
        command.output().unwrap().into()
    }

    fn wait(child: Child) -> Self {
        child.wait_with_output().unwrap().into()
    }

    fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// It failed with `code` and the last words contain `parts`.
    fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let last = self.stderr.lines().filter(|line| line.starts_with("error: ")).next_back().unwrap_or_default();
        for part in parts {
            assert!(last.contains(part), "\"{part}\" is missing in: {last}\n{}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl From<Output> for End {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Sends a signal to a process by name.
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.unwrap().success(), "no signal");
}

// --- Killed and interrupted ----------------------------------------------------------------------------------------------

/// A run that is told to end at moments of every kind: while it starts, while it saves, between; each time the next goes on.
fn killed(how: &str) {
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

fn interrupted() {
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

fn interrupted_twice() {
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

fn never_saved() {
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

// --- What a run goes on from ---------------------------------------------------------------------------------------------

fn finished() {
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

fn from_a_file() {
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

fn broken_checkpoint() {
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

fn misfits() {
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

fn other_configs() {
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

// --- Two runs, a lost device ---------------------------------------------------------------------------------------------

fn two_runs() {
    let place = Place::new();
    let ended = |a: Child, b: Child| [a, b].map(End::wait);
    let one_refused = |ends: [End; 2]| {
        let refused: Vec<_> = ends.iter().filter(|end| end.code != Some(0)).collect();
        // The later one may find the run finished by the first.
        let late = ends.iter().any(|end| end.stdout.contains("is finished"));
        assert!(refused.len() == 1 || (late && refused.is_empty()), "{} refused", refused.len());
        refused.iter().for_each(|end| end.fails(4, &["run"]));
    };
    one_refused(ended(place.begin().spawn().unwrap(), place.begin().spawn().unwrap()));
    place.ended_well();

    let place = Place::new();
    let mut first = place.begin().spawn().unwrap();
    assert!(place.wait_for_saves(&mut first, 1));
    End::of(place.begin()).fails(4, &["run"]);
    if first.try_wait().unwrap().is_none() {
        let second = End::of(place.resume());
        if first.try_wait().unwrap().is_none() {
            second.fails(4, &["another run is at work", "run"]);
        }
    }
    first.kill().unwrap();
    first.wait().unwrap();
    one_refused(ended(place.resume().spawn().unwrap(), place.resume().spawn().unwrap()));
    place.ended_well();
}

fn lost_device() {
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

// --- Disks ---------------------------------------------------------------------------------------------------------------

/// As on a disk that takes small files only; needs no rights.
fn no_growth() {
    let place = Place::new();
    place.begin_and_kill(2);
    let before = place.checkpoint().unwrap();
    let program = env!("CARGO_BIN_EXE_aft");
    let mut command = Command::new("sh");
    // 32 KiB; a checkpoint takes about 170.
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f 64; exec '{program}' train text --resume run")]);
    let end: End = command.current_dir(place.path()).output().unwrap().into();
    end.fails(4, &["checkpoint.safetensors"]);
    assert!(place.checkpoint().unwrap() == before);
    assert!(!place.files().iter().any(|name| name.ends_with(".tmp")), "{:?}", place.files());
    place.ends_well();
}

/// A file system of its own in a run's folder.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let options = format!("size={size}");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        status.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn may_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    Disk::mount(&folder.path().join("disk"), "64k").is_some()
}

fn full_disk() {
    let place = Place::new();
    // Room for two checkpoints, and not for a third beside them.
    let disk = Disk::mount(&place.run(), "450k").unwrap();
    End::of(place.begin()).fails(4, &["checkpoint.safetensors"]);
    let step = place.checkpoint().unwrap().step();
    assert!(step >= 10, "{step}");
    assert!(!place.files().iter().any(|name| name.ends_with(".tmp")), "{:?}", place.files());
    End::of(place.resume()).fails(4, &["run"]);
    assert_eq!(place.checkpoint().unwrap().step(), step);
    disk.remount("size=4m");
    place.ends_well();
}

fn read_only() {
    let place = Place::new();
    let disk = Disk::mount(&place.run(), "4m").unwrap();
    disk.remount("ro");
    End::of(place.begin()).fails(4, &["run", "Read-only"]);
    disk.remount("rw");
    place.begin_and_kill(1);
    let files = place.files();
    disk.remount("ro");
    End::of(place.resume()).fails(4, &["run", "Read-only"]);
    assert_eq!(place.files(), files);
    disk.remount("rw");
    place.ends_well();
}
