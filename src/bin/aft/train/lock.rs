//! The lock of a run folder: at most one run writes to it.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use aft_wgpu::{Error, Result};

use crate::files::warn_if_unsupported;
use crate::shared::io_error;

/// Name of the lock file. The file stays in the folder; only its lock counts.
pub const LOCK: &str = ".lock";

/// Locks a folder until the result is dropped or the process ends. On a file system without locks it prints a warning and
/// continues.
///
/// # Errors
/// [`Error::Format`] with `advice` if another run holds the lock; [`Error::Io`].
pub fn lock(folder: &Path, advice: &str) -> Result<File> {
    let fail = || io_error(folder.display());
    let path = folder.join(LOCK);
    loop {
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(fail())?;
        if !is_locked(file.try_lock(), folder, advice)? || is_at(&file, &path) {
            return Ok(file);
        }
    }
}

/// Whether an attempt to lock `folder` succeeded; false on a file system without locks.
fn is_locked(attempt: std::result::Result<(), TryLockError>, folder: &Path, advice: &str) -> Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::Error(error)) => {
            let lacks = "has no locks: nothing keeps a second run out of the folder";
            warn_if_unsupported(Err(error), lacks).map_err(io_error(folder.display()))?;
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => {
            let message = format!("another run is at work in this folder. {advice}");
            Err(Error::Format { path: folder.display().to_string(), message })
        }
    }
}

/// Whether the open file is still the one at `path`. A run that leaves nothing behind removes its lock file, and a lock on a
/// removed file protects nothing.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
    }
    // On Windows an open file cannot be removed or renamed.
    #[cfg(not(unix))]
    {
        let _ = file;
        fs::exists(path).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn one_holds_it_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = lock(root.path(), "Wait").unwrap();
        let error = lock(root.path(), "Wait").unwrap_err().to_string();
        assert!(error.ends_with("another run is at work in this folder. Wait"), "{error}");
        drop(first);
        lock(root.path(), "Wait").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_system_without_locks_is_a_warning() {
        use libc::{EBADF, EINVAL, EIO, ENOLCK, ENOSYS, EOPNOTSUPP};
        let attempt = |number| {
            let error = std::io::Error::from_raw_os_error(number);
            is_locked(Err(TryLockError::Error(error)), Path::new("run"), "Wait")
        };
        for number in [EBADF, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP] {
            assert!(!attempt(number).unwrap(), "{number}");
        }
        assert!(matches!(attempt(EIO), Err(Error::Io { path, .. }) if path == "run"));
        assert!(is_locked(Ok(()), Path::new("run"), "Wait").unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_removed_lock_locks_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(LOCK);
        let old = lock(root.path(), "Wait").unwrap();
        assert!(is_at(&old, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&old, &path));
        let new = lock(root.path(), "Wait").unwrap();
        assert!(is_at(&new, &path) && !is_at(&old, &path));
    }
}
