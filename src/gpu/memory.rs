//! Device memory: buffers and textures that are counted while they live, and refused before they exceed a granted limit.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;
use super::plane::TextureHandle;
use super::pool::Loan;
use super::readback::check_range;
use crate::error::{Error, Result};

/// What the allocator gave, and what else was made on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of buffers and textures alive now.
    pub live_bytes: u64,
    /// The largest `live_bytes` so far, or since [`Gpu::forget_peak`].
    pub peak_bytes: u64,
    /// Buffers and textures made so far.
    pub allocations: u64,
    /// Bind groups made so far.
    pub bind_groups: u64,
    /// Pipelines made so far.
    pub pipelines: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    live: AtomicU64,
    peak: AtomicU64,
    pub(crate) allocations: AtomicU64,
    pub(crate) bind_groups: AtomicU64,
    pub(crate) pipelines: AtomicU64,
}

thread_local! {
    static ASKED_BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Bytes that this thread has asked for so far, on all devices.
pub(super) fn asked_bytes() -> u64 {
    ASKED_BYTES.get()
}

impl Ledger {
    pub(crate) fn count(self: &Arc<Self>, bytes: u64) -> Lease {
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
        self.allocations.fetch_add(1, Ordering::Relaxed);
        ASKED_BYTES.set(ASKED_BYTES.get() + bytes);
        Lease { ledger: Arc::clone(self), bytes }
    }

    /// Counts the peak from now on.
    pub(crate) fn forget_peak(&self) {
        self.peak.store(self.live.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> MemoryUse {
        MemoryUse {
            live_bytes: self.live.load(Ordering::Relaxed),
            peak_bytes: self.peak.load(Ordering::Relaxed),
            allocations: self.allocations.load(Ordering::Relaxed),
            bind_groups: self.bind_groups.load(Ordering::Relaxed),
            pipelines: self.pipelines.load(Ordering::Relaxed),
        }
    }
}

/// Bytes that count as live until this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ledger.live.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A counted device buffer; clones share it.
#[derive(Debug, Clone)]
pub struct Buffer {
    raw: wgpu::Buffer,
    _lease: Option<Arc<Lease>>,
    /// Where it goes with its last handle.
    _loan: Option<Arc<Loan>>,
}

/// Memory on the device, whoever has handles of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Memory {
    Buffer(Buffer),
    Texture(TextureHandle),
}

impl Buffer {
    /// The buffer as a handle of a pool's.
    pub(super) fn lent(&self, loan: Arc<Loan>) -> Self {
        Self { _loan: Some(loan), ..self.clone() }
    }

    /// The buffer's memory, which stays alive with what is returned; its contents may be overwritten once no handle is left.
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
    /// Takes a caller's buffer; it is not counted.
    fn from(raw: wgpu::Buffer) -> Self {
        Self { raw, _lease: None, _loan: None }
    }
}

/// A parameter tensor inside a page: `rows` x `cols` floats, both padded to multiples of 4 with zeros, row-major.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The page.
    pub page: Buffer,
    /// The page's texture, where planes live in textures.
    pub(crate) mirror: Option<TextureHandle>,
    /// First byte of the tensor in its page, a multiple of 256.
    pub offset_bytes: u64,
    /// Rows (1 for a vector).
    pub rows: u32,
    /// Columns.
    pub cols: u32,
}

impl Weights {
    /// vec4s in a row.
    pub fn stride(&self) -> u32 {
        self.cols.div_ceil(4)
    }
    /// Rows with their padding; a vector has no padding rows.
    pub fn padded_rows(&self) -> u32 {
        if self.rows == 1 { 1 } else { self.rows.next_multiple_of(4) }
    }
    /// Bytes with padding.
    pub fn size_bytes(&self) -> u64 {
        Self::padded_bytes(self.rows, self.cols)
    }
    /// Bytes of a tensor of `rows` x `cols` with padding.
    pub fn padded_bytes(rows: u32, cols: u32) -> u64 {
        let rows = if rows == 1 { 1 } else { u64::from(rows).next_multiple_of(4) };
        16 * rows * u64::from(cols.div_ceil(4))
    }
    /// Where the tensor starts in its page's texture, in vec4s; 0 in a buffer, which is bound from the tensor on.
    pub(crate) fn base(&self) -> u32 {
        if self.mirror.is_some() { (self.offset_bytes / 16) as u32 } else { 0 }
    }
}

impl Gpu {
    /// A zeroed buffer that kernels read and write, and copies reach.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] past the granted buffer or binding size.
    pub fn storage(&self, label: &str, bytes: u64) -> Result<Buffer> {
        self.fits_binding(label, bytes)?;
        self.sliced(label, bytes)
    }

    /// The same, but past what one binding holds: kernels are given slices of it, never the whole.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] past the granted buffer size.
    pub fn sliced(&self, label: &str, bytes: u64) -> Result<Buffer> {
        use wgpu::BufferUsages as U;
        self.buffer(label, bytes, U::STORAGE | U::COPY_SRC | U::COPY_DST)
    }

    /// A storage buffer that holds `data`.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub fn upload<T: bytemuck::Pod>(&self, label: &str, data: &[T]) -> Result<Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let buffer = self.storage(label, bytes.len() as u64)?;
        self.write(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// Writes bytes into a buffer ahead of the next submission.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not whole words of the buffer.
    pub fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        check_range("a write", buffer, offset, bytes.len() as u64)?;
        self.queue().write_buffer(buffer, offset, bytes);
        Ok(())
    }

    pub(crate) fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<Buffer> {
        let size = bytes.next_multiple_of(16).max(16);
        self.fits(label, size, "max_buffer_size", self.caps().limits.max_buffer_size)?;
        // A buffer for no use at all is an invalid one.
        let usage = if self.denies_allocation() { wgpu::BufferUsages::empty() } else { usage };
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let lease = self.ledger().count(size);
        Ok(Buffer { raw: self.device().create_buffer(&descriptor), _lease: Some(Arc::new(lease)), _loan: None })
    }

    /// Fails unless a kernel can be given so many bytes of a buffer at once.
    pub(super) fn fits_binding(&self, what: &str, bytes: u64) -> Result<()> {
        let granted = self.caps().limits.max_storage_buffer_binding_size;
        self.fits(what, bytes, "max_storage_buffer_binding_size", granted)
    }

    fn fits(&self, what: &str, needed: u64, limit: &'static str, granted: u64) -> Result<()> {
        if needed <= granted {
            return Ok(());
        }
        let advice = "a smaller batch, length or width".to_owned();
        Err(Error::LimitExceeded { what: format!("{what} (bytes)"), limit, needed, granted, advice })
    }
}
