//! The folder of a run: claimed once, locked while a run is at work in it, its files written whole or not at all.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aft_wgpu::{Error, Result};

use super::lock::{LOCK, lock};
use crate::files;
use crate::output::{self, Output};
use crate::shared::{io_error, read_file};

/// What was trained: the file that makes a folder a run.
pub const CONFIG: &str = "config.toml";
/// How it went.
pub const METRICS: &str = "metrics.jsonl";
/// The same as a picture.
pub const CURVE: &str = "loss.svg";
/// Text that the model made.
pub const SAMPLE: &str = "sample.txt";
/// The model, written last: a run that has it is finished.
pub const MODEL: &str = "model.safetensors";
/// What the run goes on from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The checkpoint before it.
pub const PREVIOUS: &str = "checkpoint.previous.safetensors";

/// A checkpoint that could not be read, and made way for the one before it.
pub const BROKEN: &str = "checkpoint.broken.safetensors";

/// Every file of a run: none of these may exist before it.
const FILES: [&str; 8] = [CONFIG, METRICS, CURVE, SAMPLE, MODEL, CHECKPOINT, PREVIOUS, BROKEN];

/// A folder that this run alone is at work in. If it is new, it vanishes again with everything that was made for it, until
/// [`keep`](Self::keep).
pub struct RunFolder {
    path: PathBuf,
    /// Folders made on the way, outermost first.
    made: Vec<PathBuf>,
    kept: bool,
    /// None only while it is dropped.
    lock: Option<File>,
}

impl RunFolder {
    /// A new folder `<task>-NNN` inside `root`, with the number that follows the highest there is.
    pub fn next(root: &Path, task: &str) -> Result<Self> {
        let mut made = make_all(root)?;
        let mut number = highest(root, task) + 1;
        loop {
            let path = root.join(format!("{task}-{number:03}"));
            match make(&path) {
                Ok(()) => {
                    made.push(path.clone());
                    return Self::claim(path, made);
                }
                // Another run took the number in between.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => {
                    remove_all(&made);
                    return Err(io_error(path.display())(error));
                }
            }
        }
    }

    /// The folder at `path`, made if it is missing.
    pub fn at(path: &Path) -> Result<Self> {
        Self::refuse_taken(path)?;
        Self::claim(path.to_owned(), make_all(path)?)
    }

    fn claim(path: PathBuf, made: Vec<PathBuf>) -> Result<Self> {
        let lock = lock(&path, "Wait for it, or choose another --out").inspect_err(|_| remove_all(&made))?;
        let mut folder = Self { path, made, kept: true, lock: Some(lock) };
        // If another run filled the folder since it was looked at, nothing in it is ours.
        Self::refuse_taken(&folder.path)?;
        folder.kept = false;
        files::sweep(&folder.path)?;
        Ok(folder)
    }

    /// The folder of a run that is to go on. What a killed run left unfinished in it is removed.
    pub fn open(path: &Path) -> Result<Self> {
        if let Err(error) = fs::metadata(path.join(CONFIG)) {
            return Err(io_error(path.join(CONFIG).display())(error));
        }
        let lock = lock(path, "Wait for it")?;
        files::sweep(path)?;
        FILES.iter().try_for_each(|name| Output::new(&path.join(name)).map(drop))?;
        Ok(Self { path: path.to_owned(), made: Vec::new(), kept: true, lock: Some(lock) })
    }

    /// Fails if the folder at `path` has a file that a run would replace.
    pub fn refuse_taken(path: &Path) -> Result<()> {
        // A link to nowhere is a file of the user, too.
        let taken = FILES.iter().find(|name| path.join(name).symlink_metadata().is_ok());
        let Some(name) = taken else { return Ok(()) };
        let message = format!("already holds a {name}, which a run would overwrite. Choose another --out");
        Err(Error::Format { path: path.display().to_string(), message })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on the folder stays, whatever happens.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Writes an output; a file is replaced whole.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        output::write(&self.path.join(name), bytes)
    }

    /// Removes a file, if there is one.
    pub fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(self.name(name))(error)),
            _ => Ok(()),
        }
    }

    /// Saves what the run goes on from; the checkpoint before it stays as [`PREVIOUS`]. At every moment one of the two is whole:
    /// a [`CHECKPOINT`] that is not must have been [set aside](Self::set_aside).
    pub fn save(&self, bytes: &[u8]) -> Result<()> {
        let [latest, previous] = [CHECKPOINT, PREVIOUS].map(|name| self.path.join(name));
        let target = files::follow(&latest).map_err(io_error(latest.display()))?;
        let file = files::stage(&target, bytes)?;
        files::keep_as(&latest, &previous)?;
        files::put(file, &target)
    }

    /// Takes a broken checkpoint out of the way, so that it replaces no good one.
    pub fn set_aside(&self) -> Result<()> {
        let [latest, broken] = [CHECKPOINT, BROKEN].map(|name| self.path.join(name));
        files::rename(&latest, &broken)
    }

    /// The bytes of a file; none if there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read_if_there(&self.path.join(name))
    }

    /// A file to write lines into, made if it is missing.
    pub fn lines(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        File::options().write(true).create(true).truncate(false).open(&path).map_err(io_error(path.display()))
    }

    /// The path of a file, for messages.
    pub fn name(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.kept {
            // There was none before. Best effort: the error that led here is the one to report.
            for name in FILES.into_iter().chain([LOCK]) {
                let _ = fs::remove_file(self.path.join(name));
            }
            // Where open files keep their folder.
            self.lock = None;
            remove_all(&self.made);
        }
    }
}

/// The bytes of a file; none if there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match read_file(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder, and makes sure that the one it lies in remembers it.
fn make(folder: &Path) -> std::io::Result<()> {
    fs::create_dir(folder)?;
    files::sync_folder(files::folder_of(folder))
}

/// Makes `path` and what is missing above it; on failure nothing of it stays.
fn make_all(path: &Path) -> Result<Vec<PathBuf>> {
    let missing: Vec<_> = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        match make(folder) {
            Ok(()) => made.push(folder.to_owned()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                remove_all(&made);
                return Err(io_error(folder.display())(error));
            }
        }
    }
    if path.is_dir() { Ok(made) } else { Err(io_error(path.display())(ErrorKind::NotADirectory.into())) }
}

/// Removes folders that are empty, innermost first.
fn remove_all(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// The highest number of a folder `<task>-N` in `root`, 0 if there is none.
fn highest(root: &Path, task: &str) -> u64 {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(task)?.strip_prefix('-')?.parse().ok();
    fs::read_dir(root).into_iter().flatten().flatten().filter_map(number).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn numbers_follow_the_highest() {
        let root = tempfile::tempdir().unwrap();
        let runs = root.path().join("runs");
        for expected in ["text-001", "text-002"] {
            let mut folder = RunFolder::next(&runs, "text").unwrap();
            folder.keep();
            assert_eq!(folder.path(), runs.join(expected));
        }
        fs::create_dir(runs.join("text-1207")).unwrap();
        fs::create_dir(runs.join("text-x")).unwrap();
        fs::create_dir(runs.join("image-4000")).unwrap();
        assert_eq!(RunFolder::next(&runs, "text").unwrap().path(), runs.join("text-1208"));
    }

    #[test]
    fn a_folder_that_is_not_kept_vanishes_with_its_parents() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(&root.path().join("a/b/c")).unwrap();
        folder.write(CONFIG, b"x = 1").unwrap();
        assert!(root.path().join("a/b/c/config.toml").exists());
        drop(folder);
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn a_folder_of_the_user_stays() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("notes"), "mine").unwrap();
        RunFolder::at(root.path()).unwrap().write(CONFIG, b"").unwrap();
        assert_eq!(names(root.path()), ["notes"]);
    }

    #[test]
    fn no_file_is_overwritten() {
        for name in FILES {
            let root = tempfile::tempdir().unwrap();
            fs::write(root.path().join(name), "mine").unwrap();
            let error = RunFolder::at(root.path()).map(|f| f.path().to_owned()).unwrap_err();
            assert!(error.to_string().contains(&format!("already holds a {name}")), "{error}");
            assert_eq!(names(root.path()), [name]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_not_overwritten() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join(SAMPLE)).unwrap();
        assert!(RunFolder::at(root.path()).is_err());
    }

    #[test]
    fn two_runs_do_not_share_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        let busy = |result: Result<RunFolder>| {
            let error = result.map(|f| f.path().to_owned()).unwrap_err().to_string();
            assert!(error.contains("another run is at work"), "{error}");
        };
        let mut first = RunFolder::at(&path).unwrap();
        busy(RunFolder::at(&path));
        first.write(CONFIG, b"").unwrap();
        busy(RunFolder::open(&path));
        first.keep();
        drop(first);
        let resumed = RunFolder::open(&path).unwrap();
        busy(RunFolder::open(&path));
        drop(resumed);
        assert_eq!(names(&path), [LOCK, CONFIG]);
    }

    #[test]
    fn a_checkpoint_keeps_the_one_before_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(root.path()).unwrap();
        for number in 1..=3 {
            folder.save(&[number]).unwrap();
        }
        let read = |name| folder.read(name).unwrap();
        assert_eq!((read(CHECKPOINT), read(PREVIOUS), read(MODEL)), (Some(vec![3]), Some(vec![2]), None));
        // The one before it stays until there is a good one again.
        folder.set_aside().unwrap();
        assert_eq!((read(CHECKPOINT), read(PREVIOUS), read(BROKEN)), (None, Some(vec![2]), Some(vec![3])));
        folder.save(&[4]).unwrap();
        assert_eq!((read(CHECKPOINT), read(PREVIOUS)), (Some(vec![4]), Some(vec![2])));
    }

    #[test]
    fn what_a_killed_run_left_unfinished_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let unfinished = || fs::write(root.path().join(".aft-Ab3.tmp"), "").unwrap();
        fs::write(root.path().join("mine.tmp"), "").unwrap();
        unfinished();
        drop(RunFolder::at(root.path()).unwrap());
        assert_eq!(names(root.path()), ["mine.tmp"]);
        unfinished();
        fs::write(root.path().join(CONFIG), "").unwrap();
        drop(RunFolder::open(root.path()).unwrap());
        assert_eq!(names(root.path()), [LOCK, CONFIG, "mine.tmp"]);
        assert!(matches!(RunFolder::open(&root.path().join("none")), Err(Error::Io { .. })));
    }

    #[test]
    fn below_a_file_nothing_can_be_made() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("run"), file.join("a/b")] {
            assert!(matches!(RunFolder::at(&path), Err(Error::Io { .. })), "{}", path.display());
            assert!(matches!(RunFolder::next(&path, "text"), Err(Error::Io { .. })), "{}", path.display());
        }
        assert_eq!(names(root.path()), ["file"]);
    }
}
