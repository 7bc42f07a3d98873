//! A text that stays on disk.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::text::check_range;
use super::{DataError, Text};

/// One or many files, joined in the order given and read in place: any size, any number.
///
/// One file is open at a time, the one read last, so that the number of files is not bound by what a process may hold
/// open. The lengths are those of the moment of [`FileText::open`]; a file that grows later is read up to there.
pub struct FileText {
    files: Vec<Joined>,
    len: u64,
    open: Mutex<Option<(usize, File)>>,
}

/// A file and the bytes of the whole that come before it.
struct Joined {
    path: PathBuf,
    start: u64,
    len: u64,
}

impl FileText {
    /// Joins the files at `paths`. A single empty file among others is no error.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::Unreadable`] (a folder, a pipe, no permission), or [`DataError::Empty`]
    /// when there is no byte in any file, or no file.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, DataError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut start = 0;
        for path in paths.iter().map(AsRef::as_ref) {
            let len = file_len(path).map_err(|source| describe(path, 0, source))?;
            files.push(Joined { path: path.to_owned(), start, len });
            start += len;
        }
        if start == 0 {
            let name = files.first().map_or_else(|| "a list of no files".to_owned(), |f| f.path.display().to_string());
            return Err(DataError::Empty { name });
        }
        Ok(Self { files, len: start, open: Mutex::new(None) })
    }
}

impl Text for FileText {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError> {
        check_range(offset, into.len(), self.len)?;
        // A reader that panicked leaves at worst a file at some other position, and each read seeks first.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = self.files.partition_point(|file| file.start + file.len <= offset);
        let mut done = 0;
        while done < into.len() {
            let Joined { path, start, len } = &self.files[index];
            let inside = offset + done as u64 - start;
            let left = usize::try_from(len - inside).unwrap_or(usize::MAX);
            let size = left.min(into.len() - done);
            if size > 0 {
                read_file(&mut open, index, path, inside, &mut into[done..done + size])
                    .map_err(|source| describe(path, inside, source))?;
            }
            done += size;
            index += 1;
        }
        Ok(())
    }
}

/// The length of the regular file at `path`, which must be open to reading.
fn file_len(path: &Path) -> io::Result<u64> {
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(File::open(path)?.metadata()?.len())
}

/// Reads at `offset` of the file number `index`, through the open file if it is that one.
fn read_file(
    open: &mut Option<(usize, File)>,
    index: usize,
    path: &Path,
    offset: u64,
    into: &mut [u8],
) -> io::Result<()> {
    let file = match open {
        Some((held, file)) if *held == index => file,
        _ => &mut open.insert((index, File::open(path)?)).1,
    };
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}

fn describe(path: &Path, offset: u64, source: io::Error) -> DataError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => DataError::Missing { path },
        _ => DataError::Unreadable { path, offset, source },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    /// A folder of files `0`, `1`, ... with the given contents, and their paths.
    fn folder(contents: &[&[u8]]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..contents.len()).map(|i| folder.path().join(i.to_string())).collect();
        for (path, bytes) in paths.iter().zip(contents) {
            fs::write(path, bytes).unwrap();
        }
        (folder, paths)
    }

    #[test]
    fn every_read_across_the_seams_is_the_joined_text() {
        let contents: [&[u8]; 7] = [b"", b"abc", b"", b"", b"d", b"efgh", b""];
        let joined = contents.concat();
        let (_folder, paths) = folder(&contents);
        let text = FileText::open(&paths).unwrap();
        assert_eq!(text.len(), joined.len() as u64);
        for start in 0..=joined.len() {
            for end in start..=joined.len() {
                let mut into = vec![0; end - start];
                text.read_at(start as u64, &mut into).unwrap();
                assert_eq!(into, joined[start..end], "{start}..{end}");
            }
        }
        assert!(matches!(text.read_at(8, &mut [0]), Err(DataError::OutOfRange { offset: 8, wanted: 1, len: 8 })));
    }

    #[test]
    fn threads_read_one_text() {
        let (_folder, paths) = folder(&[&[1; 1000], &[2; 1000]]);
        let text = FileText::open(&paths).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let text = &text;
                scope.spawn(move || {
                    for i in 0..200 {
                        let offset = (thread * 499 + i * 7) % 1900;
                        let mut into = [0; 100];
                        text.read_at(offset, &mut into).unwrap();
                        let ones = 1000_u64.saturating_sub(offset).min(100);
                        assert_eq!(into.iter().filter(|&&b| b == 1).count() as u64, ones);
                    }
                });
            }
        });
    }

    #[test]
    fn what_cannot_be_a_text_is_named() {
        let (folder, paths) = folder(&[b"", b"abc"]);
        let gone = folder.path().join("gone");
        let open = |paths: &[&Path]| FileText::open(paths).map(|t| t.len());
        assert!(matches!(open(&[&paths[1], &gone]), Err(DataError::Missing { path }) if path == gone));
        let error = open(&[folder.path()]).unwrap_err();
        assert!(matches!(&error, DataError::Unreadable { path, .. } if path == folder.path()), "{error}");
        assert!(matches!(open(&[&paths[0]]), Err(DataError::Empty { name }) if name == paths[0].display().to_string()));
        assert!(matches!(open(&[]), Err(DataError::Empty { .. })));
        assert_eq!(open(&[&paths[0], &paths[1]]).unwrap(), 3);
    }

    #[test]
    fn a_file_cut_short_in_use_is_an_error_with_its_offset() {
        let (_folder, paths) = folder(&[b"abc", b"defgh"]);
        let text = FileText::open(&paths).unwrap();
        File::options().write(true).open(&paths[1]).unwrap().set_len(2).unwrap();
        let error = text.read_at(4, &mut [0; 3]).unwrap_err();
        assert!(matches!(&error, DataError::Unreadable { path, offset: 1, .. } if *path == paths[1]), "{error}");
        text.read_at(3, &mut [0; 2]).unwrap();
    }
}
