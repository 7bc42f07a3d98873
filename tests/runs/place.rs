//! A folder to run in, the program in it, and how a run ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use aft_wgpu::random::pcg4d;
use aft_wgpu::train::Checkpoint;
use tempfile::TempDir;

/// Many short steps, with a checkpoint every few.
pub const STEPS: u32 = 150;

/// A folder with a text, and in it the folder `run`.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let word = |i: u32| ["the ", "quick ", "brown ", "fox ", "jumps.\n"][pcg4d([i, 0, 0, 9])[0] as usize % 5];
        fs::write(place.path().join("text.txt"), (0..4000).map(word).collect::<String>()).unwrap();
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn run(&self) -> PathBuf {
        self.path().join("run")
    }

    /// The program in this folder, with the words of `line` as arguments.
    pub fn aft(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
        command.current_dir(self.path()).args(line.split_whitespace());
        command.env_remove("RUST_LOG").env_remove("AFT_INJECT");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A new run into `run`.
    pub fn begin(&self) -> Command {
        self.aft(&begin_line(STEPS))
    }

    pub fn resume(&self) -> Command {
        self.aft("train text --resume run")
    }

    /// Begins a run and kills it after `saves` checkpoints.
    pub fn begin_and_kill(&self, saves: u32) {
        let mut child = self.begin().spawn().unwrap();
        assert!(self.wait_for_saves(&mut child, saves), "the run ended before it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until `saves` checkpoints more were written; whether the run is still at work.
    pub fn wait_for_saves(&self, child: &mut Child, saves: u32) -> bool {
        let checkpoint = self.run().join("checkpoint.safetensors");
        // By bytes: times of files are coarse, and inodes come back.
        let look = || fs::read(&checkpoint).ok();
        let mut last = look();
        let mut seen = 0;
        while seen < saves {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            // There is none before the first, nor where a broken one was set aside.
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
    pub fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.run()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// The last good checkpoint: the file of that name, or the one before it; none if the run was never saved.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let read = |name| fs::read(self.run().join(name)).ok();
        let bytes = read("checkpoint.safetensors").or_else(|| read("checkpoint.previous.safetensors"))?;
        Some(Checkpoint::from_bytes(&bytes).unwrap())
    }

    /// The lines of the run's metrics.
    pub fn metrics(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.run().join("metrics.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Goes on to the end, and ends with the model of a run that nothing happened to.
    pub fn ends_well(&self) {
        End::of(self.resume()).ok();
        self.ended_well();
    }

    pub fn ended_well(&self) {
        static UNINTERRUPTED: OnceLock<Vec<u8>> = OnceLock::new();
        let expected = UNINTERRUPTED.get_or_init(|| uninterrupted(STEPS));
        self.ended_with(expected, STEPS);
    }

    pub fn ended_with(&self, model: &[u8], steps: u32) {
        let run = self.run();
        assert!(fs::read(run.join("model.safetensors")).unwrap() == model, "another model than without interruption");
        assert_eq!(self.checkpoint().unwrap().step(), steps);
        let unfinished: Vec<_> = self.files().into_iter().filter(|name| name.ends_with(".tmp")).collect();
        assert_eq!(unfinished, Vec::<String>::new());
        // One line a step or more, whole and in order, as if there had been one run.
        let logged: Vec<_> = self.metrics().iter().map(|line| line["step"].as_u64().unwrap()).collect();
        assert!(logged.is_sorted_by(|a, b| a < b) && logged.last() == Some(&u64::from(steps)), "{logged:?}");
    }
}

pub fn begin_line(steps: u32) -> String {
    format!(
        "train text --text text.txt --out run --steps {steps} --save-every 5 --layers 1 --dim 16 --length 32 --batch 2 \
         --seed 3 --sample-bytes 20"
    )
}

/// The model of a run that nothing happens to.
pub fn uninterrupted(steps: u32) -> Vec<u8> {
    let place = Place::new();
    End::of(place.aft(&begin_line(steps))).ok();
    fs::read(place.run().join("model.safetensors")).unwrap()
}

/// How the program ended.
pub struct End {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl End {
    pub fn of(mut command: Command) -> Self {
        command.output().unwrap().into()
    }

    pub fn wait(child: Child) -> Self {
        child.wait_with_output().unwrap().into()
    }

    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// It failed with `code` and the last words contain `parts`.
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let last = self.stderr.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default();
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
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.unwrap().success(), "no signal");
}
