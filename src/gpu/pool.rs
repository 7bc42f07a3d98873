//! Scratch memory that frees itself: the last handle of a plane or buffer gives its memory back to the pool that it is from,
//! and a later request of the same shape takes it again.
//!
//! A handle stands for contents that are still wanted. Dispatches that were made keep the memory alive, not its contents.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::memory::Memory;
use super::plane::Store;
use super::{Buffer, Gpu, Placement, Plane};
use crate::error::Result;

/// Memory that no handle stands for.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<(Shape, Memory)>>,
}

/// What memory was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A plane of so many rows and columns: the padding of one that is used again must stay zero.
    Plane { rows: u32, cols: u32, placement: Placement },
    /// A buffer of at least so many bytes.
    Bytes(u64),
}

/// Memory that goes back to its pool with the last handle.
#[derive(Debug)]
pub(super) struct Loan {
    pool: Weak<Pool>,
    shape: Shape,
    memory: Option<Memory>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let (Some(pool), Some(memory)) = (self.pool.upgrade(), self.memory.take()) {
            pool.free().push((self.shape, memory));
        }
    }
}

impl Pool {
    /// A plane of `rows` x `cols`. What it holds is undefined, but for its padding of zeros.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub(crate) fn plane(
        self: &Arc<Self>,
        gpu: &Gpu,
        label: &str,
        rows: u32,
        cols: u32,
        placement: Placement,
    ) -> Result<Plane> {
        let shape = Shape::Plane { rows, cols, placement };
        let store = match self.take(|free| *free == shape) {
            Some((_, Memory::Buffer(buffer))) => Store::Buffer(buffer),
            Some((_, Memory::Texture(texture))) => Store::Texture(texture),
            None => Plane::new(gpu, label, rows, cols, placement)?.store,
        };
        let store = match store {
            Store::Buffer(buffer) => Store::Buffer(buffer.lent(self.loan(shape, Memory::Buffer(buffer.clone())))),
            Store::Texture(texture) => Store::Texture(texture.lent(self.loan(shape, Memory::Texture(texture.clone())))),
        };
        Ok(Plane { rows, cols, store })
    }

    /// A buffer of at least `bytes`, and at most four times as many. What it holds is undefined.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub(crate) fn scratch(self: &Arc<Self>, gpu: &Gpu, label: &str, bytes: u64) -> Result<Buffer> {
        let fits = |free: &Shape| matches!(*free, Shape::Bytes(size) if (bytes..=4 * bytes).contains(&size));
        let buffer = match self.take(fits) {
            Some((_, Memory::Buffer(buffer))) => buffer,
            _ => gpu.storage(label, bytes)?,
        };
        let shape = Shape::Bytes(buffer.size());
        Ok(buffer.lent(self.loan(shape, Memory::Buffer(buffer.clone()))))
    }

    fn take(&self, fits: impl Fn(&Shape) -> bool) -> Option<(Shape, Memory)> {
        let mut free = self.free();
        let i = free.iter().position(|(shape, _)| fits(shape))?;
        Some(free.swap_remove(i))
    }

    fn loan(self: &Arc<Self>, shape: Shape, memory: Memory) -> Arc<Loan> {
        Arc::new(Loan { pool: Arc::downgrade(self), shape, memory: Some(memory) })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<(Shape, Memory)>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
