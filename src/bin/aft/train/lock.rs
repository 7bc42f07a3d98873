//! The lock of a run folder: one run at a time is at work in it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use aft_wgpu::{Error, Result};

use crate::shared::io_error;

/// Locked by the run at work; the file stays, and means nothing unlocked.
pub const LOCK: &str = ".lock";

/// The lock of a folder, held until it is dropped or the process ends, however it ends.
pub fn lock(folder: &Path, advice: &str) -> Result<File> {
    let fail = || io_error(folder.display());
    let path = folder.join(LOCK);
    loop {
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(fail())?;
        match file.try_lock() {
            Ok(()) if !is_at(&file, &path) => {}
            Ok(()) => return Ok(file),
            // A file system without locks: better to train than to refuse.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(fail()(error)),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another run is at work in this folder. {advice}");
                return Err(Error::Format { path: folder.display().to_string(), message });
            }
        }
    }
}

/// Whether the open file is the one at `path`. A run that leaves nothing behind removes its lock, and who opened that before
/// would hold the lock of nothing.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
    }
    // Elsewhere a file that is open keeps its name.
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
