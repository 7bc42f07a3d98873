//! The kernel plan of a run: tuning and placement of planes. Another plan would change the last bits of results.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Placement, Tuning};

/// The kernel plan of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Kernel tuning.
    pub tuning: Tuning,
    /// Storage of planes: buffers or textures.
    pub planes: Placement,
}

impl Plan {
    /// The device with the run's tuning.
    ///
    /// # Errors
    /// [`Error::Config`] if this version has no such tuning.
    pub fn device(&self, gpu: &Gpu) -> Result<Gpu> {
        if Tuning::ALL.iter().any(|known| known.shapes_kernels_as(&self.tuning)) {
            // Every device has room for buffers, whatever its textures hold.
            return Ok(gpu.with_tuning(Tuning { textures: self.planes == Placement::Texture, ..self.tuning }));
        }
        Err(Error::Config(format!(
            "the kernels of this run are shaped by a tuning for {} that this version does not have. Go on with the \
             version that began the run, or begin a new run with its weights (--init)",
            self.tuning.target.name()
        )))
    }

    /// Fails unless `planes` is the run's placement.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn expect_planes(&self, planes: Placement) -> Result<()> {
        if self.planes == planes {
            return Ok(());
        }
        Err(Error::Config(
            "this run keeps its planes in textures, which are larger than this device grants. Go on with the adapter that \
             began the run, or begin a new run with its weights (--init)"
                .into(),
        ))
    }
}
