//! Files that are whole or not there, whatever happens while they are written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use aft_wgpu::Result;
use tempfile::NamedTempFile;

use crate::shared::io_error;

/// How the names of files begin and end that are not whole yet; no file of a user is called so.
const UNFINISHED: (&str, &str) = (".aft-", ".tmp");

/// Writes a file, replacing one of the same name.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    put(stage(path, bytes)?, path)
}

/// Whether a file can be written, found out before the work that it is for.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(io_error(path.display())(ErrorKind::IsADirectory.into()));
    }
    stage(path, &[]).map(drop)
}

/// A file on disk beside `path`, which has no name of its own yet, and vanishes if it gets none.
pub fn stage(path: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED.0).suffix(UNFINISHED.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file (less the umask); by default only its owner may read a temporary one.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder_of(path)).map_err(io_error(path.display()))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(io_error(path.display()))?;
    Ok(file)
}

/// Gives a staged file its name, and makes sure that the folder remembers it.
pub fn put(file: NamedTempFile, path: &Path) -> Result<()> {
    file.persist(path).map_err(|error| io_error(path.display())(error.error))?;
    sync_folder(folder_of(path)).map_err(io_error(path.display()))
}

/// Gives the file at `path`, if there is one, the name `other` too, in place of the file that had it. Where the file system
/// has no links, the file loses the name `path`.
pub fn keep_as(path: &Path, other: &Path) -> Result<()> {
    if !path.try_exists().map_err(io_error(path.display()))? {
        return Ok(());
    }
    let link = folder_of(path).join(format!("{}link{}", UNFINISHED.0, UNFINISHED.1));
    let linked = fs::hard_link(path, &link).and_then(|()| fs::rename(&link, other));
    // A rename between two names of one file does nothing and leaves both.
    let _ = fs::remove_file(&link);
    linked.or_else(|_| fs::rename(path, other)).map_err(io_error(path.display()))
}

/// Gives a file another name, in place of the file that had it.
pub fn rename(path: &Path, other: &Path) -> Result<()> {
    fs::rename(path, other).map_err(io_error(path.display()))?;
    sync_folder(folder_of(path)).map_err(io_error(path.display()))
}

/// Removes what a killed run left unfinished in `folder`.
pub fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let unfinished = |name: &str| name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1);
        if name.to_str().is_some_and(unfinished) && entry.file_type().is_ok_and(|t| t.is_file()) {
            fs::remove_file(entry.path()).map_err(io_error(entry.path().display()))?;
        }
    }
    Ok(())
}

/// Makes sure that a folder remembers the names in it, as far as it can be made sure.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens a folder; elsewhere the file system orders names and contents by itself.
    if cfg!(unix)
        && let Err(error) = File::open(folder).and_then(|folder| folder.sync_all())
    {
        // File systems that do not sync folders, and folders of others that may be written and not read.
        let harmless = [ErrorKind::Unsupported, ErrorKind::InvalidInput, ErrorKind::PermissionDenied];
        if !harmless.contains(&error.kind()) {
            return Err(error);
        }
    }
    Ok(())
}

/// The folder that a file or folder lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
    fn files_are_replaced_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("model");
        write(&path, &[1; 1000]).unwrap();
        write(&path, &[2; 10]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [2; 10]);
        drop(stage(&path, &[3; 10]).unwrap());
        assert_eq!(fs::read(&path).unwrap(), [2; 10]);
        assert_eq!(names(root.path()), ["model"]);
    }

    #[test]
    fn a_folder_cannot_be_written_nor_a_file_in_one_that_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        assert!(check_writable(&root.path().join("results.json")).is_ok());
        assert!(check_writable(root.path()).is_err());
        assert!(check_writable(&root.path().join("missing/results.json")).is_err());
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn a_file_keeps_its_name_beside_another() {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| root.path().join(name));
        keep_as(&a, &b).unwrap();
        assert!(names(root.path()).is_empty());
        fs::write(&a, "1").unwrap();
        // The second time they are two names of one file.
        for _ in 0..2 {
            keep_as(&a, &b).unwrap();
            assert_eq!(names(root.path()), ["a", "b"]);
        }
        write(&a, b"2").unwrap();
        assert_eq!([&a, &b].map(|path| fs::read(path).unwrap()), [b"2", b"1"]);
    }

    #[test]
    fn unfinished_files_are_swept_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        for name in [".aft-x7.tmp", ".aft-link.tmp", "mine.tmp", ".aft-mine", "checkpoint.safetensors.tmp"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        fs::create_dir(root.path().join(".aft-folder.tmp")).unwrap();
        sweep(root.path()).unwrap();
        assert_eq!(names(root.path()), [".aft-folder.tmp", ".aft-mine", "checkpoint.safetensors.tmp", "mine.tmp"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_have_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("model"), b"").unwrap();
        fs::write(root.path().join("plain"), "").unwrap();
        let mode = |name| fs::metadata(root.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("model"), mode("plain"));
    }
}
