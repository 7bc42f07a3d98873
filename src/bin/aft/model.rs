//! A trained model, given as a run folder or a file.

use std::path::{Path, PathBuf};

use aft_wgpu::Result;
use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::accept_edited;
use aft_wgpu::models::language::{Language, LanguageConfig};

use crate::shared::{about, read_file};
use crate::train::checkpoints::{Found, latest};
use crate::train::progress::note;
use crate::train::run_folder::MODEL;

/// Which model files to accept.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// Take a model whose tensors were changed and saved by another program, such as Python's safetensors
    #[arg(long)]
    pub accept_edited: bool,
}

/// A model file that was read and checked, but is not on a device yet.
pub struct ModelFile {
    /// Configuration of the model.
    pub config: LanguageConfig,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// The model file of a run and its bytes. An unfinished run has only checkpoints.
fn model_of(run: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let model = run.join(MODEL);
    if !model.exists()
        && let Some(Found { name, bytes, checkpoint, broken }) = latest(run)?
    {
        if let Some(error) = broken {
            note(error);
        }
        note(format_args!("{} is not finished: reading its checkpoint of step {}", run.display(), checkpoint.step()));
        return Ok((run.join(name), bytes));
    }
    whole(model)
}

/// A file's path and bytes.
fn whole(path: PathBuf) -> Result<(PathBuf, Vec<u8>)> {
    let bytes = read_file(&path)?;
    Ok((path, bytes))
}

impl ModelArgs {
    /// Reads the model of a run folder or of a file.
    pub fn open(&self, path: &Path) -> Result<ModelFile> {
        let (path, bytes) = if path.is_dir() { model_of(path)? } else { whole(path.to_owned())? };
        let accepted = if self.accept_edited { accept_edited(bytes) } else { Ok(bytes) };
        let read = |bytes: Vec<u8>| Ok((Language::read_config(&bytes)?, bytes));
        let (config, bytes) = accepted.and_then(read).map_err(|error| about(&path, error))?;
        Ok(ModelFile { config, path, bytes })
    }
}

impl ModelFile {
    /// Loads the model on a device, for batches of `rows` = B T rows.
    pub async fn load(&self, gpu: &Gpu, rows: u32) -> Result<Language> {
        Language::load(gpu, &self.bytes, rows).await.map_err(|error| about(&self.path, error))
    }

    /// The model's name for reports.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}
