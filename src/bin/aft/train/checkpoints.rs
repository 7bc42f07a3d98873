//! The checkpoints of a run folder.

use aft_wgpu::Result;
use aft_wgpu::train::Checkpoint;

use super::progress::note;
use super::run_folder::{CHECKPOINT, PREVIOUS, RunFolder};
use crate::shared::about;

/// What the run in `folder` goes on from: the latest checkpoint; where that is missing or broken, the one before it; none if
/// the run was never saved.
pub fn latest(folder: &RunFolder) -> Result<Option<Checkpoint>> {
    match read(folder, CHECKPOINT) {
        Ok(None) => read(folder, PREVIOUS),
        Err(error) => match read(folder, PREVIOUS) {
            Ok(Some(previous)) => {
                note(format_args!("{error}: going on from the checkpoint before it, of step {}", previous.step()));
                Ok(Some(previous))
            }
            _ => Err(error),
        },
        found => found,
    }
}

fn read(folder: &RunFolder, name: &str) -> Result<Option<Checkpoint>> {
    let Some(bytes) = folder.read(name)? else { return Ok(None) };
    Checkpoint::from_bytes(&bytes).map(Some).map_err(|error| about(&folder.path().join(name), error))
}
