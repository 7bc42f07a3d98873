//! Texts in files: read from disk as needed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, stdin};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::text::check_range;
use super::{DataError, Text};

/// The path that means standard input.
const STDIN: &str = "-";

/// A text of one or more files, joined in order. Files of any size are read in place. Pipes are read to their end and held in
/// memory.
///
/// Only the most recently read file is open, so the number of files is not limited by the process's open-file limit. Lengths are
/// taken in [`FileText::open`]; if a file grows later, the new bytes are ignored.
pub struct FileText {
    files: Vec<Joined>,
    len: u64,
    open: Mutex<Option<(usize, File)>>,
}

/// A file, and the number of bytes before it in the joined text.
struct Joined {
    path: PathBuf,
    start: u64,
    len: u64,
    /// The bytes of a pipe, which cannot be read again.
    held: Option<Vec<u8>>,
}

impl FileText {
    /// Joins the files at `paths`; `-` is standard input. An empty file among others is allowed.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::Unreadable`] (a folder, a device, no permission), or [`DataError::Empty`] if there
    /// are no files or no bytes.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, DataError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut start = 0;
        for path in paths.iter().map(AsRef::as_ref) {
            let (len, held) = measure(path).map_err(|source| describe(path, 0, source))?;
            files.push(Joined { path: path.to_owned(), start, len, held });
            start += len;
        }
        if start == 0 {
            let name = files.first().map_or_else(|| "a list of no files".to_owned(), |f| f.path.display().to_string());
            return Err(DataError::Empty { name });
        }
        Ok(Self { files, len: start, open: Mutex::new(None) })
    }

    /// Whether `path` cannot be read again later or by another process: a pipe, or a file descriptor path.
    pub fn is_passing(path: &Path) -> bool {
        let by_number = ["/dev/fd", "/dev/stdin", "/proc"].into_iter().any(|start| path.starts_with(start));
        path == Path::new(STDIN)
            || (cfg!(unix) && by_number)
            || fs::metadata(path).is_ok_and(|metadata| is_pipe(&metadata))
    }
}

impl Text for FileText {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError> {
        check_range(offset, into.len(), self.len)?;
        // After a panic of another reader, only the file position may be wrong, and each read seeks first.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = self.files.partition_point(|file| file.start + file.len <= offset);
        let mut done = 0;
        while done < into.len() {
            let Joined { path, start, len, held } = &self.files[index];
            let inside = offset + done as u64 - start;
            let left = usize::try_from(len - inside).unwrap_or(usize::MAX);
            let size = left.min(into.len() - done);
            let part = &mut into[done..done + size];
            match held {
                // The length in `measure` is that of these bytes.
                Some(bytes) => part.copy_from_slice(&bytes[inside as usize..][..size]),
                None if size > 0 => {
                    read_file(&mut open, index, path, inside, part).map_err(|source| describe(path, inside, source))?
                }
                None => {}
            }
            done += size;
            index += 1;
        }
        Ok(())
    }
}

/// The length of a readable file at `path`, and its bytes if it is a pipe.
fn measure(path: &Path) -> io::Result<(u64, Option<Vec<u8>>)> {
    let mut bytes = Vec::new();
    if path == Path::new(STDIN) {
        #[cfg(unix)]
        expect_end(&stdin_metadata()?)?;
        stdin().lock().read_to_end(&mut bytes)?;
    } else {
        // Checks the metadata before opening, because opening can trigger some devices.
        let metadata = fs::metadata(path)?;
        expect_end(&metadata)?;
        let mut file = File::open(path)?;
        if !is_pipe(&metadata) {
            return Ok((file.metadata()?.len(), None));
        }
        file.read_to_end(&mut bytes)?;
    }
    Ok((bytes.len() as u64, Some(bytes)))
}

/// Fails on anything that is not a file or may never end.
fn expect_end(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() || is_pipe(metadata) {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "neither a regular file nor a pipe"))
}

#[cfg(unix)]
fn is_pipe(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    kind.is_fifo() || kind.is_socket()
}

/// Other systems have no paths for pipes.
#[cfg(not(unix))]
fn is_pipe(_: &fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn stdin_metadata() -> io::Result<fs::Metadata> {
    use std::os::fd::AsFd;
    File::from(stdin().as_fd().try_clone_to_owned()?).metadata()
}

/// Reads at `offset` in file number `index`; reopens the file if another one is open.
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

    /// A folder with files `0`, `1`, ... of the given contents, and their paths.
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

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_to_its_end() {
        let (folder, paths) = folder(&[b"abc", b"fg"]);
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let text = std::thread::scope(|scope| {
            scope.spawn(|| fs::write(&pipe, "de").unwrap());
            FileText::open(&[&paths[0], &pipe, &paths[1]]).unwrap()
        });
        let mut into = [0; 7];
        for _ in 0..2 {
            text.read_at(0, &mut into).unwrap();
            assert_eq!(&into, b"abcdefg");
        }
        text.read_at(4, &mut into[..2]).unwrap();
        assert_eq!(&into[..2], b"ef");
        assert!(FileText::is_passing(&pipe) && FileText::is_passing(Path::new("-")));
        assert!(FileText::is_passing(Path::new("/dev/fd/63")) && !FileText::is_passing(&paths[0]));
        let error = FileText::open(&["/dev/zero"]).map(|t| t.len()).unwrap_err().to_string();
        assert!(error.ends_with("neither a regular file nor a pipe"), "{error}");
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
