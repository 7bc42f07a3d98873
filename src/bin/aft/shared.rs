//! Options and small helpers that several subcommands share.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aft_wgpu::data::Corpus;
use aft_wgpu::gpu::GpuOptions;
use aft_wgpu::{Error, Result};
use aft_wgpu::printable::{Indented, Lines};

/// Which adapter to use.
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

/// Which text to use.
#[derive(clap::Args)]
pub struct TextArgs {
    /// Text to use, any bytes; several files are joined in order, then cut 90/5/5 into training, validation and test
    #[arg(long = "text", value_name = "FILE", num_args = 1..)]
    pub files: Vec<PathBuf>,
}

/// The embedded plays, or `files` joined, each part with at least one window of `length` targets.
pub fn corpus(files: &[PathBuf], length: u32) -> Result<Corpus> {
    let corpus = match files {
        [] => Corpus::shakespeare(),
        files => Corpus::from_files(files, u64::from(length) + 1),
    }?;
    Ok(corpus)
}

/// One line on stdout; a closed pipe is an error, not a panic.
pub fn say(line: impl Display) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{}", Lines(line))?;
    Ok(())
}

/// A message on stderr, its control characters escaped. It is dropped where stderr is closed.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", Indented(line));
}

/// One JSON object on a line of stdout.
pub fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string(value)?)
}

/// The bytes of a file. One without an end, as a device or a pipe, is refused before it is opened.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let fail = || io_error(path.display());
    let metadata = fs::metadata(path).map_err(fail())?;
    if !metadata.is_file() {
        return Err(Error::Format { path: path.display().to_string(), message: "not a regular file".into() });
    }
    let mut bytes = Vec::new();
    // No more than there was, should it grow meanwhile.
    File::open(path).and_then(|file| file.take(metadata.len()).read_to_end(&mut bytes)).map_err(fail())?;
    Ok(bytes)
}

/// An error of the operating system about `path`.
pub fn io_error(path: impl Display) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_string();
    move |source| Error::Io { path, source }
}

/// Names the file in an error about its contents.
pub fn about(path: &Path, error: Error) -> Error {
    let path = path.display().to_string();
    match error {
        Error::Format { message, .. } => Error::Format { path, message },
        Error::Config(message) => Error::Format { path, message },
        other => other,
    }
}
