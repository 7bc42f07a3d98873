//! What can be wrong with a text.

use std::io;
use std::path::PathBuf;

use crate::printable::Printable;

/// Why a text could not be opened, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file is not there.
    #[error("{}: no such file", Printable(path.display()))]
    Missing {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file is there, and reading it failed; a file cut short while in use ends up here too.
    #[error("{}: cannot be read at byte {offset}: {source}", Printable(path.display()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where in that file, in bytes.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// Embedded data did not unpack.
    #[error("embedded {name}: cannot be unpacked: {source}")]
    Damaged {
        /// Which embedded file.
        name: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// There is no byte at all.
    #[error("{} is empty", Printable(name))]
    Empty {
        /// The text.
        name: String,
    },
    /// There are bytes, but fewer than one window of them.
    #[error("{} has {len} bytes, a window needs {needed}", Printable(name))]
    TooShort {
        /// The text.
        name: String,
        /// Its length in bytes.
        len: u64,
        /// The least length that would do, in bytes.
        needed: u64,
    },
    /// A window length T of 0.
    #[error("a window must predict at least one byte")]
    EmptyWindow,
    /// A read past the end of a text.
    #[error("bytes {offset}..{offset}+{wanted} lie outside a text of {len} bytes")]
    OutOfRange {
        /// Where the read begins.
        offset: u64,
        /// How many bytes it asks for.
        wanted: u64,
        /// The length of the text in bytes.
        len: u64,
    },
}
