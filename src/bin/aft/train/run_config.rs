//! `config.toml` of a run folder: the settings, the text and the length of a run.

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

/// Default bytes of the sample.
pub const SAMPLE_BYTES: u32 = 2000;

/// Configuration of a run. The same version, adapter, data and settings give the same model, bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Version of the program.
    pub version: String,
    /// The adapter trained on.
    pub adapter: String,
    /// The time in seconds that the number of steps is fitted to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_seconds: Option<f64>,
    /// The number of steps is not fixed yet; `train.steps` holds the maximum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub measuring: bool,
    /// The file of the initial weights, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// How much of the validation text is evaluated.
    #[serde(default)]
    pub valid_bytes: ValidBytes,
    /// How often a checkpoint is saved.
    #[serde(default)]
    pub save_every: SaveEvery,
    /// Bytes of the sample generated at the end.
    #[serde(default = "sample_bytes")]
    pub sample_bytes: u32,
    /// The text.
    pub data: DataConfig,
    /// The model.
    pub model: LanguageConfig,
    /// Training settings.
    pub train: TrainConfig,
}

fn sample_bytes() -> u32 {
    SAMPLE_BYTES
}

/// The text of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Its name in reports.
    pub name: String,
    /// Absolute paths of its files; none for the embedded text.
    #[serde(with = "super::paths")]
    pub files: Vec<PathBuf>,
    /// The text came through a pipe and cannot be read again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub piped: bool,
    /// Nothing was held out: every part is the whole text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Length and checksum of the training part.
    pub mark: TextMark,
}

impl DataConfig {
    /// Describes a text. Reads the training part once for its checksum.
    pub fn new(corpus: &Corpus, files: &[PathBuf], whole: bool) -> Result<Self> {
        let mark = TextMark::of(corpus.train.as_ref())?;
        let piped = files.iter().any(|path| FileText::is_passing(path));
        Ok(Self { name: corpus.name.clone(), files: absolute(files), piped, whole, mark })
    }

    /// The text of the run in folder `path`; none if that is not a run.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        if path.is_dir() { Ok(Some(RunConfig::read(path)?.data)) } else { Ok(None) }
    }

    /// The files, to read the text again.
    pub fn files(&self) -> Result<&[PathBuf]> {
        if self.piped {
            let text = "the text of the run came through a pipe, and is not kept: give it again with --text";
            return Err(Error::Config(text.into()));
        }
        Ok(&self.files)
    }

    /// Fails unless this text has the checksum `before`.
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

/// Absolute paths of files.
fn absolute(files: &[PathBuf]) -> Vec<PathBuf> {
    let absolute = |path: &PathBuf| match FileText::is_passing(path) {
        true => path.clone(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
    };
    files.iter().map(absolute).collect()
}

/// The parts of a text to train on; with `whole` every part is the whole text.
pub fn parts(files: &[PathBuf], whole: bool) -> Result<Corpus> {
    let corpus = corpus(files)?;
    Ok(if whole { corpus.undivided() } else { corpus })
}

impl RunConfig {
    /// Writes config.toml.
    pub fn write(&self, folder: &RunFolder) -> anyhow::Result<()> {
        Ok(folder.write(CONFIG, toml::to_string(self)?.as_bytes())?)
    }

    /// The time to fit the number of steps to, if that is not measured yet.
    pub fn to_be_measured(&self) -> Option<f64> {
        self.time_seconds.filter(|_| self.measuring && self.train.hold == 0)
    }

    /// Uses an estimate of how many steps fit. If the maximum fits with time to spare, it becomes the run's number. Otherwise the
    /// number stays open, and the steps until it is fixed must not depend on it; the estimate sets only the warm-up.
    pub fn begin_measuring(&mut self, fitting: u32) {
        let train = &mut self.train;
        if fitting / 2 >= train.steps {
            self.measuring = false;
        } else {
            // The estimate may be too low, for example while another program was busy.
            let least = (train.steps / 10).min(10);
            train.warmup = train.warmup.min((fitting / 10).max(least));
            train.hold = TrainConfig::OPEN;
        }
    }

    /// Fixes the number of steps at `done` + `more`.
    pub fn end_measuring(&mut self, done: u32, more: u32) {
        self.train.hold = done;
        self.train.steps = self.train.steps.min(done.saturating_add(more));
        self.measuring = false;
    }

    /// Windows in a step.
    pub fn step_windows(&self) -> f64 {
        f64::from(self.train.batch) * f64::from(self.train.accumulate)
    }

    /// Reads and validates the configuration of the run in `folder`.
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
