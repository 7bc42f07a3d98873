//! Scratch memory that frees itself: dropping the last handle of a plane or buffer returns its memory to the pool,
//! where a later request of the same shape reuses it.
//!
//! A handle protects the contents. Dispatches keep only the memory alive, not its contents.

use std::sync::Arc;

use super::handle::{Buffer, FreeMemory, Loan, Memory, Shape};
use super::plane::{Plane, Store};
use super::{Gpu, Placement};
use crate::error::Result;

/// Pool of scratch memory.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Arc<FreeMemory>,
}

impl Pool {
    /// A plane of `rows` x `cols`. Its contents are undefined, except that the padding is zero.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub(crate) fn plane(&self, gpu: &Gpu, label: &str, rows: u32, cols: u32, placement: Placement) -> Result<Plane> {
        let shape = Shape::Plane { rows, cols, placement };
        let store = match self.free.take(|free| *free == shape) {
            Some(Memory::Buffer(buffer)) => Store::Buffer(buffer),
            Some(Memory::Texture(texture)) => Store::Texture(texture),
            None => Plane::new(gpu, label, rows, cols, placement)?.store,
        };
        let loan = |memory| Loan::new(&self.free, shape, memory);
        let store = match store {
            Store::Buffer(buffer) => Store::Buffer(buffer.lent(loan(Memory::Buffer(buffer.clone())))),
            Store::Texture(texture) => Store::Texture(texture.lent(loan(Memory::Texture(texture.clone())))),
        };
        Ok(Plane { rows, cols, store })
    }

    /// A buffer of at least `bytes`, and at most four times as many. Its contents are undefined.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub(crate) fn scratch(&self, gpu: &Gpu, label: &str, bytes: u64) -> Result<Buffer> {
        let fits = |free: &Shape| matches!(*free, Shape::Bytes(size) if (bytes..=4 * bytes).contains(&size));
        let buffer = match self.free.take(fits) {
            Some(Memory::Buffer(buffer)) => buffer,
            _ => gpu.storage(label, bytes)?,
        };
        let loan = Loan::new(&self.free, Shape::Bytes(buffer.size()), Memory::Buffer(buffer.clone()));
        Ok(buffer.lent(loan))
    }
}
