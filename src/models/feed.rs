//! Batch upload: a ring of slots that the host fills ahead of the steps that read them.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu};
use crate::ops::nn::batch::{Batch, BatchLayout};
use crate::ops::nn::train_state::TrainState;

/// A ring of batches, and the state that holds the next slot's number.
#[derive(Debug)]
pub(crate) struct Feed {
    layout: BatchLayout,
    slots: u32,
    data: Buffer,
    state: Buffer,
}

impl Feed {
    /// Fails if the ring exceeds the limits of the device.
    pub(crate) fn check(gpu: &Gpu, rows: u32, vocabulary: u32, slots: u32) -> Result<()> {
        let needed = 4 * u64::from(slots) * u64::from(BatchLayout { rows, vocabulary }.words());
        let granted = gpu.caps().limits.max_storage_buffer_binding_size;
        if needed <= granted {
            return Ok(());
        }
        let (what, limit) = ("the batches of the steps ahead (bytes)".into(), "max_storage_buffer_binding_size");
        Err(Error::LimitExceeded {
            what,
            limit,
            needed,
            granted,
            advice: "less accumulation or a smaller batch".into(),
        })
    }

    /// A ring of `slots` batches of `rows` = B T rows; the device state starts as `state`.
    pub(crate) fn new(gpu: &Gpu, rows: u32, vocabulary: u32, slots: u32, state: TrainState) -> Result<Self> {
        let layout = BatchLayout { rows, vocabulary };
        let data = gpu.storage("batches", 4 * u64::from(slots) * u64::from(layout.words()))?;
        let state = gpu.upload("training state", &[state])?;
        Ok(Self { layout, slots, data, state })
    }

    /// The batch operand for micro-batch `micro` of a step.
    pub(crate) fn batch(&self, micro: u32) -> Batch<'_> {
        Batch { layout: self.layout, data: &self.data, slots: self.slots, state: &self.state, micro }
    }

    /// Writes a batch into slot `number` modulo the ring size, before the next submission.
    pub(crate) fn fill(&self, gpu: &Gpu, number: u64, tokens: &[u32], targets: &[u32]) -> Result<()> {
        let words = self.layout.pack(tokens, targets)?;
        let slot = number % u64::from(self.slots);
        gpu.write(&self.data, 4 * slot * u64::from(self.layout.words()), bytemuck::cast_slice(&words))
    }

    pub(crate) fn state(&self) -> &Buffer {
        &self.state
    }
}

/// B T as a u32; fails if it is too large.
pub(crate) fn rows(batch: u32, length: u32) -> Result<u32> {
    batch.checked_mul(length).filter(|&rows| rows <= 1 << 28).ok_or_else(|| Error::LimitExceeded {
        what: "batch x length".into(),
        limit: "rows of an activation",
        needed: u64::from(batch) * u64::from(length),
        granted: 1 << 28,
        advice: "a smaller batch with gradient accumulation".into(),
    })
}
