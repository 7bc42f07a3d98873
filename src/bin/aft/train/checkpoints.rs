//! Finds the checkpoints in a run folder.

use std::path::Path;

use aft_wgpu::train::Checkpoint;
use aft_wgpu::{Error, Result};

use super::run_folder::{CHECKPOINT, PREVIOUS, read_if_there};
use crate::shared::about;

/// A readable checkpoint of a run.
pub struct Found {
    /// Its file name in the run folder.
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub checkpoint: Checkpoint,
    /// The error of a later checkpoint file, if one exists and is broken.
    pub broken: Option<Error>,
}

/// The latest readable checkpoint in `folder`. If the last one is missing or broken, the previous one is used. None if the run
/// was never saved.
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
