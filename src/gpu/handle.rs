//! Handles of device memory. Dropping the last handle of scratch memory returns it to its pool.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Placement;
use super::ledger::Lease;

/// A counted device buffer; clones share it.
#[derive(Debug, Clone)]
pub struct Buffer {
    raw: wgpu::Buffer,
    _lease: Option<Arc<Lease>>,
    /// Returns the memory to its pool with the last handle.
    _loan: Option<Arc<Loan>>,
}

/// Memory on the device, without a claim on its contents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Memory {
    Buffer(Buffer),
    Texture(TextureHandle),
}

impl Buffer {
    pub(super) fn new(raw: wgpu::Buffer, lease: Lease) -> Self {
        Self { raw, _lease: Some(Arc::new(lease)), _loan: None }
    }

    /// The buffer as a handle that returns to a pool.
    pub(super) fn lent(&self, loan: Arc<Loan>) -> Self {
        Self { _loan: Some(loan), ..self.clone() }
    }

    /// The buffer's memory, kept alive without a handle: its contents may be overwritten once no handle is left.
    pub(super) fn memory(&self) -> Self {
        Self { _loan: None, ..self.clone() }
    }
}

impl std::ops::Deref for Buffer {
    type Target = wgpu::Buffer;
    fn deref(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl From<wgpu::Buffer> for Buffer {
    /// Wraps a caller's buffer; the ledger does not count it.
    fn from(raw: wgpu::Buffer) -> Self {
        Self { raw, _lease: None, _loan: None }
    }
}

/// A counted texture with its view; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct TextureHandle {
    pub(crate) texture: wgpu::Texture,
    pub(crate) view: wgpu::TextureView,
    _lease: Arc<Lease>,
    /// Returns the memory to its pool with the last handle.
    _loan: Option<Arc<Loan>>,
}

impl PartialEq for TextureHandle {
    fn eq(&self, other: &Self) -> bool {
        self.texture == other.texture
    }
}

impl TextureHandle {
    pub(super) fn new(texture: wgpu::Texture, lease: Lease) -> Self {
        let view = texture.create_view(&Default::default());
        Self { texture, view, _lease: Arc::new(lease), _loan: None }
    }

    /// The texture as a handle that returns to a pool.
    pub(super) fn lent(&self, loan: Arc<Loan>) -> Self {
        Self { _loan: Some(loan), ..self.clone() }
    }

    /// As [`Buffer::memory`].
    pub(super) fn memory(&self) -> Self {
        Self { _loan: None, ..self.clone() }
    }
}

/// Shape that memory was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A plane of this shape. Reuse needs the same shape, because the padding must stay zero.
    Plane { rows: u32, cols: u32, placement: Placement },
    /// A buffer of this many bytes.
    Bytes(u64),
}

/// Memory without a handle, free for reuse.
#[derive(Debug, Default)]
pub(super) struct FreeMemory(Mutex<Vec<(Shape, Memory)>>);

impl FreeMemory {
    /// Removes and returns memory of a shape that `fits`, if any.
    pub(super) fn take(&self, fits: impl Fn(&Shape) -> bool) -> Option<Memory> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let i = free.iter().position(|(shape, _)| fits(shape))?;
        Some(free.swap_remove(i).1)
    }

    fn put(&self, shape: Shape, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((shape, memory));
    }
}

/// Memory lent by a pool; it returns there when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    from: Weak<FreeMemory>,
    shape: Shape,
    memory: Option<Memory>,
}

impl Loan {
    pub(super) fn new(from: &Arc<FreeMemory>, shape: Shape, memory: Memory) -> Arc<Self> {
        Arc::new(Self { from: Arc::downgrade(from), shape, memory: Some(memory) })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let (Some(free), Some(memory)) = (self.from.upgrade(), self.memory.take()) {
            free.put(self.shape, memory);
        }
    }
}
