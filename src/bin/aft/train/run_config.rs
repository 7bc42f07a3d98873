//! `config.toml` of a run folder: what was trained, on what, and how long.

use std::path::{Path, PathBuf};

use aft_wgpu::data::{Corpus, FileText, TextMark};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::TrainConfig;
use aft_wgpu::{Error, Result};
use serde::{Deserialize, Serialize};

use super::run_folder::{CONFIG, RunFolder};
use super::save_every::SaveEvery;
use super::valid::ValidBytes;
use crate::shared::{about, corpus, read_file};

/// Bytes of the sample, unless asked for otherwise.
pub const SAMPLE_BYTES: u32 = 2000;

/// A run: with the same version, adapter, data and settings it gives the same model, bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Version of the program.
    pub version: String,
    /// The adapter trained on.
    pub adapter: String,
    /// The time in seconds that the number of steps was fitted to, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_seconds: Option<f64>,
    /// The number of steps is not fitted yet, and stands for the most there may be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub measuring: bool,
    /// The file whose weights it began with, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// How much of the validation text it is evaluated on.
    #[serde(default)]
    pub valid_bytes: ValidBytes,
    /// How often it is saved.
    #[serde(default)]
    pub save_every: SaveEvery,
    /// Bytes to generate at the end.
    #[serde(default = "sample_bytes")]
    pub sample_bytes: u32,
    /// The text.
    pub data: DataConfig,
    /// The model.
    pub model: LanguageConfig,
    /// Its training.
    pub train: TrainConfig,
}

fn sample_bytes() -> u32 {
    SAMPLE_BYTES
}

/// Which text a run was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// How it is called.
    pub name: String,
    /// Its files, by absolute paths; none for the embedded text.
    #[serde(with = "super::paths")]
    pub files: Vec<PathBuf>,
    /// It came through a pipe, and the files cannot be read again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub piped: bool,
    /// Nothing was held out of it: all of it is in every part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// By what its training part is known again.
    pub mark: TextMark,
}

impl DataConfig {
    /// Reads the training text once, to mark it.
    pub fn new(corpus: &Corpus, files: &[PathBuf], whole: bool) -> Result<Self> {
        let mark = TextMark::of(corpus.train.as_ref())?;
        let piped = files.iter().any(|path| FileText::is_passing(path));
        Ok(Self { name: corpus.name.clone(), files: absolute(files), piped, whole, mark })
    }

    /// The text of the run in the folder `path`; none for a path of something else.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        if path.is_dir() { Ok(Some(RunConfig::read(path)?.data)) } else { Ok(None) }
    }

    /// The files to read it from again.
    pub fn files(&self) -> Result<&[PathBuf]> {
        if self.piped {
            let text = "the text of the run came through a pipe, and is not kept: give it again with --text";
            return Err(Error::Config(text.into()));
        }
        Ok(&self.files)
    }

    /// Fails unless this is the text that was marked with `before`.
    pub fn expect(&self, before: TextMark) -> Result<()> {
        if self.mark == before {
            return Ok(());
        }
        let files: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        let path = if files.is_empty() { self.name.clone() } else { files.join(", ") };
        let message = format!(
            "not the text that the run was begun with ({before}), but another ({}). --init RUN instead of --resume begins a new \
             run with the weights of the old one, on any text",
            self.mark
        );
        Err(Error::Format { path, message })
    }
}

/// Files as they can be found from anywhere.
fn absolute(files: &[PathBuf]) -> Vec<PathBuf> {
    let absolute = |path: &PathBuf| match FileText::is_passing(path) {
        true => path.clone(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
    };
    files.iter().map(absolute).collect()
}

/// The parts of a text to train on; with `whole` all of it is in each.
pub fn parts(files: &[PathBuf], whole: bool) -> Result<Corpus> {
    let corpus = corpus(files)?;
    Ok(if whole { corpus.undivided() } else { corpus })
}

impl RunConfig {
    /// Writes the file.
    pub fn write(&self, folder: &RunFolder) -> anyhow::Result<()> {
        Ok(folder.write(CONFIG, toml::to_string(self)?.as_bytes())?)
    }

    /// The time to fit the number of steps to, if nothing was measured for that yet.
    pub fn to_be_measured(&self) -> Option<f64> {
        self.time_seconds.filter(|_| self.measuring && self.train.hold == 0)
    }

    /// Takes an estimate of how many steps fit. With time to spare for all that there may be, those are the run's. Else their number
    /// stays open, and what comes before it is fixed must not depend on it: the estimate decides on the warm-up alone.
    pub fn begin_measuring(&mut self, fitting: u32) {
        let train = &mut self.train;
        if fitting / 2 >= train.steps {
            self.measuring = false;
        } else {
            // The estimate is too low where another program was busy meanwhile.
            let least = (train.steps / 10).min(10);
            train.warmup = train.warmup.min((fitting / 10).max(least));
            train.hold = TrainConfig::OPEN;
        }
    }

    /// Fixes the number of steps: those done, and so many more.
    pub fn end_measuring(&mut self, done: u32, more: u32) {
        self.train.hold = done;
        self.train.steps = self.train.steps.min(done.saturating_add(more));
        self.measuring = false;
    }

    /// Windows of a step.
    pub fn step_windows(&self) -> f64 {
        f64::from(self.train.batch) * f64::from(self.train.accumulate)
    }

    /// Reads the configuration of the run in `folder`; it makes sense.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let config = String::from_utf8(read_file(&path)?)
            .map_err(|error| error.to_string())
            .and_then(|text| toml::from_str::<Self>(&text).map_err(|error| error.message().to_owned()))
            .map_err(|error| Error::Config(format!("not the configuration of a run: {error}")));
        config.and_then(|config| config.validate().map(|()| config)).map_err(|error| about(&path, error))
    }

    fn validate(&self) -> Result<()> {
        self.model.validate()?;
        self.train.validate()?;
        match self.time_seconds {
            Some(time) if !(time > 0.0 && time.is_finite()) => {
                Err(Error::Config(format!("time_seconds is a positive number, not {time}")))
            }
            None if self.measuring => Err(Error::Config("measuring needs time_seconds".into())),
            _ => Ok(()),
        }
    }
}
