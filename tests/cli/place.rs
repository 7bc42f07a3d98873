//! A folder to run the program in, and what a run of it gave.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use aft_wgpu::data::{Bigram, Corpus};
use serde_json::Value;
use tempfile::TempDir;

/// A folder to run in, with a text that is long enough for [`TINY`].
pub struct Place(TempDir);

/// A run of a second.
pub const TINY: &str =
    "train text --text text.txt --steps 3 --layers 1 --dim 16 --length 32 --batch 2 --sample-bytes 20";

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let bigram = Bigram::fit(Corpus::shakespeare().unwrap().train.as_ref()).unwrap();
        place.write("text.txt", &bigram.generate(1, 1.0, 20_000));
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Every file and folder inside, sorted.
    pub fn list(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, into: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                into.push(path.strip_prefix(root).unwrap().display().to_string());
                if path.is_dir() {
                    walk(&path, root, into);
                }
            }
        }
        let mut all = Vec::new();
        walk(self.path(), self.path(), &mut all);
        all.sort();
        all
    }

    /// The program in this folder, with the words of `line` as arguments.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
        command.current_dir(self.path()).args(line.split_whitespace());
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command
    }

    pub fn aft(&self, line: &str) -> Run {
        Run::new(line, self.command(line).output().unwrap())
    }

    /// As on a machine without any adapter: a backend that is not compiled in, and no Vulkan driver.
    pub fn aft_without_adapter(&self, line: &str) -> Run {
        let mut command = self.command(line);
        command.env("WGPU_BACKEND", "gl");
        command.env("VK_ICD_FILENAMES", "/nonexistent").env("VK_DRIVER_FILES", "/nonexistent");
        Run::new(line, command.output().unwrap())
    }

    /// Each line fails with `code`, tells `part` in one sentence, and leaves the folder as it was.
    pub fn refuses(&self, run: impl Fn(&Self, &str) -> Run, code: i32, cases: &[(&str, &str)]) {
        let before = self.list();
        for (line, part) in cases {
            run(self, line).fails(code, part);
            assert_eq!(self.list(), before, "aft {line} left something behind");
        }
    }
}

/// What a run of the program gave.
pub struct Run {
    pub line: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn new(line: &str, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { line: line.into(), code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "aft {}\n{}", self.line, self.stderr);
        self
    }

    pub fn fails(&self, code: i32, part: &str) {
        let Self { line, stderr, stdout, .. } = self;
        assert_eq!(self.code, Some(code), "aft {line}\n{stderr}");
        // Those of clap go on with usage.
        let ours: Vec<_> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert!(ours.len() == 1 && ours[0].contains(part), "aft {line}: not one sentence with \"{part}\":\n{stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "aft {line}\n{stderr}");
        assert_eq!(stdout, "", "aft {line}: output of a run that failed");
    }

    /// The last line of stdout as JSON.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|e| panic!("aft {}: {e} in {last}", self.line))
    }
}
