//! Atomic file replacement: a reader sees either the old or the new content, even if the program is killed while it writes.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aft_wgpu::Result;
use tempfile::NamedTempFile;

use crate::shared::{io_error, note};

/// Prefix and suffix of temporary files.
const UNFINISHED: (&str, &str) = (".aft-", ".tmp");

/// Writes and syncs a temporary file in the folder of `path`. It copies the mode and owner of the file at `path`, if there is
/// one. The temporary file is removed on drop.
pub fn stage(path: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED.0).suffix(UNFINISHED.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The usual mode of a new file, before the umask. Temporary files would get 600.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let write = || {
        let mut file = builder.tempfile_in(folder_of(path))?;
        if let Ok(old) = fs::metadata(path) {
            keep_owner(file.as_file(), &old);
            keep_mode(file.as_file(), &old)?;
        }
        file.write_all(bytes)?;
        warn_if_unsupported(file.as_file().sync_all(), "has no fsync: a power cut may lose files just written")?;
        Ok(file)
    };
    write().map_err(io_error(path.display()))
}

/// Gives a new file the owner of an old one. Without root rights nothing changes.
fn keep_owner(file: &File, old: &Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    #[cfg(not(unix))]
    let _ = (file, old);
}

/// Gives a new file the mode of an old one. On a file system that does not let the program change it, that is a warning.
fn keep_mode(file: &File, old: &Metadata) -> io::Result<()> {
    if file.metadata()?.permissions() == old.permissions() {
        return Ok(());
    }
    match file.set_permissions(old.permissions()) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            note(format_args!("a file that is replaced does not keep its mode here: {error}"));
            Ok(())
        }
        result => warn_if_unsupported(result, "has no modes: a file that is replaced gets the usual one"),
    }
}

/// Renames a staged file to `path` and syncs the folder. A file that cannot be replaced, such as one that is a mount point,
/// is written in place.
pub fn put(mut file: NamedTempFile, path: &Path) -> Result<()> {
    let replaced = match file.persist(path) {
        Err(failed) if is_unreplaceable(&failed.error) && path.is_file() => {
            file = failed.file;
            write_in_place(&file, path).or(Err(failed.error))
        }
        Err(failed) => Err(failed.error),
        Ok(_) => Ok(()),
    };
    replaced.and_then(|()| sync_folder(folder_of(path))).map_err(io_error(path.display()))
}

/// Whether a rename failed because of the file at the target: a mount point, or another user's in a sticky folder.
fn is_unreplaceable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::CrossesDevices | ErrorKind::PermissionDenied)
}

fn write_in_place(staged: &NamedTempFile, path: &Path) -> io::Result<()> {
    let mut target = fs::OpenOptions::new().write(true).truncate(true).open(path)?;
    io::copy(&mut staged.reopen()?, &mut target)?;
    target.sync_all()
}

/// Keeps the file at `path`, if there is one, under the name `other` as well, replacing any file there. On file systems without
/// hard links the file is renamed instead.
pub fn keep_as(path: &Path, other: &Path) -> Result<()> {
    if !path.try_exists().map_err(io_error(path.display()))? {
        return Ok(());
    }
    if [path, other].iter().any(|name| name.is_symlink()) {
        // A hard link to a symbolic link would also show the new content.
        let other = follow(other).map_err(io_error(other.display()))?;
        let bytes = fs::read(path).map_err(io_error(path.display()))?;
        return put(stage(&other, &bytes)?, &other);
    }
    let link = folder_of(path).join(format!("{}link{}", UNFINISHED.0, UNFINISHED.1));
    let linked = fs::hard_link(path, &link).and_then(|()| fs::rename(&link, other));
    // Renaming between two hard links of one file does nothing and leaves both.
    let _ = fs::remove_file(&link);
    linked.or_else(|_| fs::rename(path, other)).map_err(io_error(path.display()))
}

/// Renames a file and replaces any file with the new name.
pub fn rename(path: &Path, other: &Path) -> Result<()> {
    fs::rename(path, other).map_err(io_error(path.display()))?;
    sync_folder(folder_of(path)).map_err(io_error(path.display()))
}

/// Removes the temporary files that a killed run left in `folder`.
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

/// Syncs a folder's directory entries to disk, if the file system supports it.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix can open a folder as a file.
    if !cfg!(unix) {
        return Ok(());
    }
    let synced = match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // A folder may be writable but not readable.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    };
    warn_if_unsupported(synced, "does not sync folders: a power cut may lose the names of new files")
}

/// Turns an "unsupported" error of the file system into a warning about what it `lacks`. Each warning is given once.
pub fn warn_if_unsupported(result: io::Result<()>, lacks: &'static str) -> io::Result<()> {
    static WARNED: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    match result {
        Err(error) if is_unsupported(&error) => {
            let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
            if !warned.contains(&lacks) {
                warned.push(lacks);
                note(format_args!("warning: the file system {lacks} ({error})"));
            }
            Ok(())
        }
        result => result,
    }
}

/// Whether the error means "unsupported". NFS and FUSE report this in several ways for locks and fsync.
fn is_unsupported(error: &io::Error) -> bool {
    #[cfg(unix)]
    if let Some(number) = error.raw_os_error() {
        use libc::{EBADF, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP};
        return [EBADF, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP].contains(&number);
    }
    matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

/// Resolves symbolic links to an absolute path. The folder must exist; the file need not.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    // This ends: the system returns an error for a link cycle.
    while let Err(error) = path.canonicalize() {
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
        let Ok(link) = path.read_link() else {
            let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
            return Ok(folder_of(&path).canonicalize()?.join(name));
        };
        path = folder_of(&path).join(link);
    }
    path.canonicalize()
}

/// The parent folder of a path.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    /// The names in a folder, sorted.
    pub fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_staged_file_replaces_nothing_until_it_is_put() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("model");
        fs::write(&path, [1; 1000]).unwrap();
        drop(stage(&path, &[3; 10]).unwrap());
        assert_eq!(fs::read(&path).unwrap(), [1; 1000]);
        put(stage(&path, &[2; 10]).unwrap(), &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [2; 10]);
        assert_eq!(names(root.path()), ["model"]);
    }

    #[test]
    fn a_file_keeps_its_name_beside_another() {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| root.path().join(name));
        keep_as(&a, &b).unwrap();
        assert!(names(root.path()).is_empty());
        fs::write(&a, "1").unwrap();
        // On the second pass both are names of one file.
        for _ in 0..2 {
            keep_as(&a, &b).unwrap();
            assert_eq!(names(root.path()), ["a", "b"]);
        }
        put(stage(&a, b"2").unwrap(), &a).unwrap();
        assert_eq!([&a, &b].map(|path| fs::read(path).unwrap()), [b"2", b"1"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_kept_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let [a, b, far] = ["a", "b", "far"].map(|name| root.path().join(name));
        fs::write(&far, "1").unwrap();
        std::os::unix::fs::symlink(&far, &a).unwrap();
        keep_as(&a, &b).unwrap();
        let target = follow(&a).unwrap();
        put(stage(&target, b"2").unwrap(), &target).unwrap();
        assert_eq!([&far, &b].map(|path| fs::read(path).unwrap()), [b"2", b"1"]);
        assert!(a.is_symlink());
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
    fn a_file_system_without_fsync_of_folders_is_a_warning() {
        use libc::{EBADF, EINVAL, EIO, ENOLCK, ENOSPC, ENOSYS, EOPNOTSUPP, EROFS};
        let outcome = |number| warn_if_unsupported(Err(io::Error::from_raw_os_error(number)), "has no fsync");
        for number in [EBADF, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP] {
            assert!(outcome(number).is_ok(), "{number}");
        }
        for number in [EIO, ENOSPC, EROFS] {
            assert_eq!(outcome(number).unwrap_err().raw_os_error(), Some(number));
        }
    }
}
