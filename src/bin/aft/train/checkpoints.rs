//! The checkpoints of a run folder.

use std::path::Path;

use aft_wgpu::train::Checkpoint;
use aft_wgpu::{Error, Result};

use super::run_folder::{CHECKPOINT, PREVIOUS, read_if_there};
use crate::shared::about;

/// A checkpoint of a run that can be read.
pub struct Found {
    /// Its file in the run's folder.
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub checkpoint: Checkpoint,
    /// What is wrong with the file of a later one, if there is such a file.
    pub broken: Option<Error>,
}

/// The latest checkpoint of the run in `folder` that can be read: where the last one is missing or broken, the one before it;
/// none if the run was never saved.
pub fn latest(folder: &Path) -> Result<Option<Found>> {
    match read(folder, CHECKPOINT) {
        Ok(None) => read(folder, PREVIOUS),
        Err(error @ Error::Format { .. }) => match read(folder, PREVIOUS) {
            Ok(Some(previous)) => Ok(Some(Found { broken: Some(error), ..previous })),
            _ => Err(error),
        },
        found => found,
    }
}

fn read(folder: &Path, name: &'static str) -> Result<Option<Found>> {
    let path = folder.join(name);
    let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| about(&path, error))?;
    Ok(Some(Found { name, bytes, checkpoint, broken: None }))
}
