//! `config.toml` of a run folder: what was trained, on what, and how long.

use std::path::{Path, PathBuf};

use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::TrainConfig;
use aft_wgpu::{Error, Result};
use serde::{Deserialize, Serialize};

use super::run_folder::{CONFIG, RunFolder};
use super::save_every::SaveEvery;
use crate::shared::io_error;

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
    /// How often it is saved.
    #[serde(default)]
    pub save_every: SaveEvery,
    /// Bytes to generate at the end.
    #[serde(default)]
    pub sample_bytes: u32,
    /// The text.
    pub data: DataConfig,
    /// The model.
    pub model: LanguageConfig,
    /// Its training.
    pub train: TrainConfig,
}

/// Which text a run was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// How it is called.
    pub name: String,
    /// Its files, by absolute paths; none for the embedded text.
    pub files: Vec<PathBuf>,
}

impl DataConfig {
    /// The files as they can be found from anywhere.
    pub fn new(name: &str, files: &[PathBuf]) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Self { name: name.to_owned(), files: files.iter().map(absolute).collect() }
    }
}

impl RunConfig {
    /// Writes the file.
    pub fn write(&self, folder: &RunFolder) -> anyhow::Result<()> {
        Ok(folder.write(CONFIG, toml::to_string(self)?.as_bytes())?)
    }

    /// Windows of a step.
    pub fn step_windows(&self) -> f64 {
        f64::from(self.train.batch) * f64::from(self.train.accumulate)
    }

    /// Reads the configuration of the run in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let text = std::fs::read_to_string(&path).map_err(io_error(path.display()))?;
        toml::from_str(&text).map_err(|error| Error::Format {
            path: path.display().to_string(),
            message: format!("not the configuration of a run: {}", error.message()),
        })
    }
}
