//! Errors of texts.

use std::io;
use std::path::PathBuf;

use crate::printable::Printable;

/// Why a text could not be opened, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file does not exist.
    #[error("{}: no such file", Printable(path.display()))]
    Missing {
        /// The requested file.
        path: PathBuf,
    },
    /// Reading an existing file failed, for example because it was cut short while in use.
    #[error("{}: cannot be read at byte {offset}: {source}", Printable(path.display()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Position in the file, in bytes.
        offset: u64,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Embedded data could not be unpacked.
    #[error("embedded {name}: cannot be unpacked: {source}")]
    Damaged {
        /// Name of the embedded file.
        name: &'static str,
        /// Error of the decoder.
        source: io::Error,
    },
    /// The text has no bytes.
    #[error("{} is empty", Printable(name))]
    Empty {
        /// The text.
        name: String,
    },
    /// The text is shorter than one window.
    #[error("{} has {len} bytes, a window needs {needed}", Printable(name))]
    TooShort {
        /// The text.
        name: String,
        /// Its length in bytes.
        len: u64,
        /// The least length needed, in bytes.
        needed: u64,
    },
    /// The window length T is 0.
    #[error("a window must predict at least one byte")]
    EmptyWindow,
    /// A read past the end of a text.
    #[error("bytes {offset}..{offset}+{wanted} lie outside a text of {len} bytes")]
    OutOfRange {
        /// Start of the read.
        offset: u64,
        /// Number of bytes requested.
        wanted: u64,
        /// The length of the text in bytes.
        len: u64,
    },
}
