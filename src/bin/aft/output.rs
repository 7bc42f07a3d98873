//! Outputs of the program. Each is checked before any work starts, and written by [`Output::write`].

use std::fmt::{self, Display};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use aft_wgpu::{Error, Result};

use crate::files;
use crate::shared::io_error;

/// A checked output destination.
#[derive(Debug)]
pub struct Output {
    /// The path as given, for messages.
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Stdout,
    /// A regular file, or a file that does not exist yet: its absolute path with links resolved. It is replaced atomically and
    /// keeps its mode.
    File(PathBuf),
    /// A character device, written through.
    Device,
    /// A named pipe, written through.
    Pipe,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        if STDOUT.iter().any(|name| path == Path::new(name)) {
            return Ok(Self::Stdout);
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() => files::follow(path).map(Self::File),
            Ok(metadata) if is_device(&metadata) => Ok(Self::Device),
            Ok(metadata) if is_pipe(&metadata) => Ok(Self::Pipe),
            Ok(_) => {
                let message = "neither a file, a named pipe nor a character device".into();
                return Err(Error::Format { path: path.display().to_string(), message });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => new_file(path).map(Self::File),
            Err(error) => Err(error),
        }
        .map_err(io_error(path.display()))
    }
}

/// Names of stdout.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Writes an output.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Output::new(path)?.write(bytes)
}

impl Output {
    /// The output at `path`. `-` is stdout; a symbolic link is followed.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`], with the path, if it cannot be written: a folder, a socket, a block device, a
    /// write-protected file, or a file in a missing folder.
    pub fn new(path: &Path) -> Result<Self> {
        let output = Self { path: path.to_owned(), kind: Kind::of(path)? };
        output.try_to_write()?;
        Ok(output)
    }

    /// [`Self::new`] for an HTML page.
    ///
    /// # Errors
    /// [`Error::Config`] if the file exists and is not HTML: most likely the option took another argument as its value.
    pub fn page(path: &Path) -> Result<Self> {
        let output = Self::new(path)?;
        if let Kind::File(file) = &output.kind
            && !is_page_or_empty(file).map_err(io_error(output.path.display()))?
        {
            return Err(Error::Config(format!(
                "{output} is no HTML page, so --html does not replace it. The page's name comes right after --html; remove the \
                 file if it is to be replaced"
            )));
        }
        Ok(output)
    }

    /// Opens the destination without changing it. A pipe is skipped, because it may be opened only once.
    fn try_to_write(&self) -> Result<()> {
        let open = |path: &Path| File::options().write(true).open(path).map_err(io_error(self));
        match &self.kind {
            Kind::Stdout | Kind::Pipe => Ok(()),
            Kind::Device => open(&self.path).map(drop),
            Kind::File(file) => match open(file) {
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(()),
                opened => opened.map(drop),
            }
            .and_then(|()| files::stage(file, &[]).map(drop).map_err(|error| self.named(error))),
        }
    }

    /// Writes the whole output.
    ///
    /// # Errors
    /// [`Error::Io`]. A file then keeps its old content.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        match &self.kind {
            Kind::Stdout => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
            Kind::Device | Kind::Pipe => {
                File::options().write(true).open(&self.path).and_then(|mut stream| stream.write_all(bytes))
            }
            Kind::File(file) => {
                return files::stage(file, bytes)
                    .and_then(|staged| files::put(staged, file))
                    .map_err(|error| self.named(error));
            }
        }
        .map_err(io_error(self))
    }

    /// Whether this is a file, not a stream that may be written several times.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// Whether this is a file that is not empty.
    pub fn has_content(&self) -> bool {
        matches!(&self.kind, Kind::File(path) if fs::metadata(path).is_ok_and(|file| file.len() > 0))
    }

    /// Whether this is stdout.
    pub fn is_stdout(&self) -> bool {
        matches!(self.kind, Kind::Stdout)
    }

    /// Adds the path to an error, as it was given.
    fn named(&self, error: Error) -> Error {
        match error {
            Error::Io { source, .. } => io_error(self)(source),
            other => other,
        }
    }

    /// Whether both are the same destination. A character device never counts as the same: several outputs may share it.
    fn is(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Stdout, Kind::Stdout) => true,
            (Kind::File(a), Kind::File(b)) => a == b || is_same(a, b),
            (Kind::Pipe, Kind::Pipe) => is_same(&self.path, &other.path),
            _ => false,
        }
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_stdout() { f.write_str("stdout") } else { self.path.display().fmt(f) }
    }
}

/// Fails if an output is also an input, or if two outputs are the same. Each output comes with its option.
///
/// # Errors
/// [`Error::Config`].
pub fn check_distinct(inputs: &[PathBuf], outputs: &[(&str, &Output)]) -> Result<()> {
    for (number, (option, output)) in outputs.iter().enumerate() {
        if let Some(input) = inputs.iter().find(|input| !output.is_stdout() && is_same(input, &output.path)) {
            let input = input.display();
            return Err(Error::Config(format!("{option} {output} is the input {input}: name another file")));
        }
        if let Some((other, _)) = outputs[..number].iter().find(|(_, other)| other.is(output)) {
            return Err(Error::Config(format!("{other} and {option} both write to {output}: name another file")));
        }
    }
    Ok(())
}

/// The absolute path of a file that does not exist yet.
fn new_file(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ErrorKind::IsADirectory.into());
    }
    files::follow(path)
}

/// Whether both paths lead to the same file or pipe, through symbolic or hard links. Character devices never count as the same.
fn is_same(a: &Path, b: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::metadata(a), fs::metadata(b)) else { return false };
    !is_device(&one) && is_same_file(a, b, &one, &other)
}

#[cfg(unix)]
fn is_same_file(_: &Path, _: &Path, a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(a: &Path, b: &Path, _: &Metadata, _: &Metadata) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(unix)]
fn is_device(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_char_device(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_device(metadata: &Metadata) -> bool {
    !metadata.is_file() && !metadata.is_dir()
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

/// Whether a file is missing, empty, or begins like an HTML page.
fn is_page_or_empty(file: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    match File::open(file).and_then(|file| file.take(1024).read_to_end(&mut start)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        read => read?,
    };
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    let begins = |tag: &str| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
    Ok(text.is_empty() || ["<!doctype html", "<html", "<!--"].into_iter().any(begins))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::files::tests::names;

    #[test]
    fn files_are_replaced_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("model");
        write(&path, &[1; 1000]).unwrap();
        write(&path, &[2; 10]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [2; 10]);
        assert_eq!(names(root.path()), ["model"]);
    }

    #[test]
    fn what_cannot_be_written_is_refused_by_name_and_nothing_changes() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "old").unwrap();
        for wrong in ["", "missing/results.json", "new/", "file/x", ".."] {
            let path = root.path().join(wrong);
            let error = Output::new(&path).unwrap_err().to_string();
            assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        }
        Output::new(&root.path().join("file")).unwrap();
        assert_eq!(
            (names(root.path()), fs::read(root.path().join("file")).unwrap()),
            (vec!["file".into()], b"old".into())
        );
    }

    #[cfg(unix)]
    #[test]
    fn modes_links_devices_and_sockets() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        use std::os::unix::net::UnixListener;
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        fs::write(at("plain"), "").unwrap();
        write(&at("new"), b"").unwrap();
        assert_eq!(mode("new"), mode("plain"));
        for wanted in [0o600, 0o666, 0o755] {
            fs::set_permissions(at("new"), fs::Permissions::from_mode(wanted)).unwrap();
            write(&at("new"), b"more").unwrap();
            assert_eq!(mode("new"), wanted);
        }
        fs::create_dir(at("far")).unwrap();
        symlink("far/target", at("near")).unwrap();
        symlink("near", at("link")).unwrap();
        // The first time the target is missing, the second time it is replaced.
        for text in ["first", "second"] {
            write(&at("link"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("far/target")).unwrap(), text);
        }
        assert!(at("link").is_symlink() && at("near").is_symlink());
        symlink("loop", at("loop")).unwrap();
        symlink("nowhere/x", at("astray")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for wrong in ["loop", "astray", "socket"] {
            let error = Output::new(&at(wrong)).unwrap_err().to_string();
            assert!(error.starts_with(at(wrong).to_str().unwrap()), "{error}");
        }
        symlink("/dev/null", at("null")).unwrap();
        let before = fs::metadata("/dev/null").unwrap();
        write(&at("null"), b"x").unwrap();
        let after = fs::metadata("/dev/null").unwrap();
        assert!(at("null").is_symlink() && is_device(&after) && before.ino() == after.ino());
    }

    #[test]
    fn an_output_is_no_input_and_no_other_output() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("a"), "").unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        let conflict = |inputs: &[&str], one: &str, other: &str| {
            let inputs: Vec<_> = inputs.iter().map(|name| at(name)).collect();
            let output = |name: &str| Output::new(&if name == "-" { name.into() } else { at(name) }).unwrap();
            let (one, other) = (output(one), output(other));
            check_distinct(&inputs, &[("-o", &one), ("--html", &other)]).map_err(|error| error.to_string())
        };
        conflict(&["a"], "new", "-").unwrap();
        conflict(&["missing"], "a", "new").unwrap();
        conflict(&[], "/dev/null", "/dev/null").unwrap();
        for (inputs, one, other, says) in [
            (&["a"][..], "a", "new", "-o"),
            (&["b"], "new", "a", "--html"),
            (&["a"], "./a", "new", "-o"),
            (&[], "new", "./new", "-o and --html both"),
            (&[], "a", "b", "-o and --html both"),
            (&[], "-", "-", "-o and --html both write to stdout"),
        ] {
            let error = conflict(inputs, one, other).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }

    #[test]
    fn only_pages_and_empty_files_become_pages() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("page");
        assert!(Output::page(&path).is_ok());
        for (text, is_page) in [
            ("", true),
            ("\n <!DOCTYPE html>\n", true),
            ("\u{feff}<HTML lang=\"en\">", true),
            ("{\"schema\": \"aft-bench/1\"}", false),
            ("<svg>", false),
            ("text", false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(Output::page(&path).is_ok(), is_page, "{text}");
        }
    }
}
