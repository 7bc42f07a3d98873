//! The folder that a run leaves: claimed once, its files written whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use aft_wgpu::{Error, Result};

use crate::shared::io_error;

/// What was trained: the file that makes a folder a run.
pub const CONFIG: &str = "config.toml";
/// How it went.
pub const METRICS: &str = "metrics.jsonl";
/// The same as a picture.
pub const CURVE: &str = "loss.svg";
/// Text that the model made.
pub const SAMPLE: &str = "sample.txt";
/// The model.
pub const MODEL: &str = "model.safetensors";

/// Every file of a run: none of these may exist before it.
const FILES: [&str; 5] = [CONFIG, METRICS, CURVE, SAMPLE, MODEL];

/// A claimed folder. Until [`keep`](Self::keep) it vanishes again with everything that was made for it.
pub struct RunFolder {
    path: PathBuf,
    /// Folders made on the way, outermost first.
    made: Vec<PathBuf>,
    kept: bool,
}

impl RunFolder {
    /// A new folder `<task>-NNN` inside `root`, with the number that follows the highest there is.
    pub fn next(root: &Path, task: &str) -> Result<Self> {
        let mut made = make_all(root)?;
        let mut number = highest(root, task) + 1;
        loop {
            let path = root.join(format!("{task}-{number:03}"));
            match fs::create_dir(&path) {
                Ok(()) => {
                    made.push(path.clone());
                    return Ok(Self { path, made, kept: false });
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
        Ok(Self { path: path.to_owned(), made: make_all(path)?, kept: false })
    }

    /// Fails if the folder at `path` has a file that a run would replace.
    pub fn refuse_taken(path: &Path) -> Result<()> {
        // A link to nowhere is a file of the user, too.
        let taken = FILES.iter().find(|name| path.join(name).symlink_metadata().is_ok());
        let Some(name) = taken else { return Ok(()) };
        let message = format!("already holds a {name}, which a run would overwrite. Choose another --out");
        Err(Error::Format { path: path.display().to_string(), message })
    }

    /// Fails unless files can be made here.
    pub fn probe(&self) -> Result<()> {
        tempfile::tempfile_in(&self.path).map(drop).map_err(io_error(self.path.display()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on the folder stays, whatever happens.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Writes a file that is whole or not there, replacing one of the same name.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let fail = || io_error(path.display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(name).suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new file (less the umask); by default only its owner may read a temporary one.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(&self.path).map_err(fail())?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(fail())?;
        file.persist(&path).map_err(|error| fail()(error.error))?;
        Ok(())
    }

    /// A new file to append lines to.
    pub fn create(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        File::create_new(&path).map_err(io_error(path.display()))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.kept {
            // There was none before. Best effort: the error that led here is the one to report.
            let _ = fs::remove_file(self.path.join(CONFIG));
            remove_all(&self.made);
        }
    }
}

/// Makes `path` and what is missing above it; on failure nothing of it stays.
fn make_all(path: &Path) -> Result<Vec<PathBuf>> {
    let missing: Vec<_> = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
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
    fn a_probe_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        RunFolder::at(&root.path().join("a/b")).unwrap().probe().unwrap();
        assert!(names(root.path()).is_empty());
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

    #[test]
    fn files_are_replaced_whole() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(root.path()).unwrap();
        folder.write("model", &[1; 1000]).unwrap();
        folder.write("model", &[2; 10]).unwrap();
        assert_eq!(fs::read(root.path().join("model")).unwrap(), [2; 10]);
        assert_eq!(names(root.path()), ["model"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_have_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        RunFolder::at(root.path()).unwrap().write("model", b"").unwrap();
        fs::write(root.path().join("plain"), "").unwrap();
        let mode = |name| fs::metadata(root.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("model"), mode("plain"));
    }
}
