//! Options and helpers that several subcommands share.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aft_wgpu::data::{Corpus, DataError, FileText, Text};
use aft_wgpu::gpu::GpuOptions;
use aft_wgpu::printable::{Indented, Lines};
use aft_wgpu::{Error, Result};
use clap::ValueEnum;
use serde::Serialize;

/// Option that selects the adapter.
#[derive(clap::Args)]
pub struct AdapterArgs {
    /// Adapter: an index or part of a name, as `aft adapters` lists them [default: the first of that list]
    #[arg(long, value_name = "INDEX|NAME")]
    adapter: Option<String>,
}

impl AdapterArgs {
    pub fn options(&self) -> GpuOptions {
        GpuOptions { adapter: self.adapter.clone(), ..Default::default() }
    }
}

/// Option that selects the text.
#[derive(clap::Args)]
pub struct TextArgs {
    /// Text to use, any bytes; several files are joined in order, then cut 90/5/5 into training, validation and test; - is
    /// standard input
    #[arg(long = "text", value_name = "FILE", num_args = 1..)]
    pub files: Vec<PathBuf>,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The training part
    Train,
    /// The validation part
    Valid,
    /// The test part
    Test,
    /// The whole text
    All,
}

impl Split {
    /// Selects this part of a text.
    pub fn of(self, corpus: &Corpus) -> &Arc<dyn Text> {
        match self {
            Self::Train => &corpus.train,
            Self::Valid => &corpus.valid,
            Self::Test => &corpus.test,
            Self::All => &corpus.whole,
        }
    }

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training part",
            Self::Valid => "validation part",
            Self::Test => "test part",
            Self::All => "all",
        }
    }

    /// Fails if this part is shorter than a window of `length` targets. `shorter` tells the user how to get a shorter window.
    pub fn expect_window(self, corpus: &Corpus, length: u32, shorter: &str) -> Result<()> {
        let (len, needed) = (self.of(corpus).len(), u64::from(length) + 1);
        if len >= needed {
            return Ok(());
        }
        let all = if self == Self::All { "" } else { ", --split all" };
        let shorter = if len < 2 { String::new() } else { format!(", {shorter}a --length of {} or less", len - 1) };
        let part = if self == Self::All { "it".to_owned() } else { format!("its {}", self.name()) };
        let message = format!(
            "{part} has {len} bytes, and a window of --length {length} needs {needed}. Take a longer text{all}{shorter}"
        );
        Err(Error::Format { path: corpus.name.clone(), message })
    }
}

/// The embedded plays, or `files` joined in order.
pub fn corpus(files: &[PathBuf]) -> Result<Corpus> {
    Ok(if files.is_empty() { Corpus::shakespeare() } else { Corpus::from_files(files) }?)
}

/// All bytes of a file or pipe; `-` is standard input.
pub fn read_text(path: &Path) -> Result<Vec<u8>> {
    let text = match FileText::open(&[path]) {
        Err(DataError::Empty { .. }) => return Ok(Vec::new()),
        text => text?,
    };
    let mut bytes = vec![0; text.len() as usize];
    text.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Prints lines on stdout, with control characters escaped. A closed pipe is an error, not a panic.
pub fn say(line: impl Display) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{}", Lines(line))?;
    Ok(())
}

/// Prints a message on stderr, with control characters escaped. Nothing happens if stderr is closed.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", Indented(line));
}

/// Prints one JSON object on a line of stdout.
pub fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string(value)?)
}

/// The bytes of a regular file. Devices and pipes are refused before they are opened.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let fail = || io_error(path.display());
    let metadata = fs::metadata(path).map_err(fail())?;
    if !metadata.is_file() {
        return Err(Error::Format { path: path.display().to_string(), message: "not a regular file".into() });
    }
    let mut bytes = Vec::new();
    // Stops at the length found above, in case the file grows meanwhile.
    File::open(path).and_then(|file| file.take(metadata.len()).read_to_end(&mut bytes)).map_err(fail())?;
    Ok(bytes)
}

/// Converts an I/O error and adds `path`.
pub fn io_error(path: impl Display) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_string();
    move |source| Error::Io { path, source }
}

/// Adds the path to an error about a file's content.
pub fn about(path: &Path, error: Error) -> Error {
    let path = path.display().to_string();
    match error {
        Error::Format { message, .. } => Error::Format { path, message },
        Error::Config(message) => Error::Format { path, message },
        other => other,
    }
}
