//! Allocation of buffers and textures. Sizes past a granted limit are refused before the driver sees them.

use super::Gpu;
use super::handle::{Buffer, TextureHandle};
use crate::error::{Error, Result};

impl Gpu {
    /// A zeroed storage buffer, which can also be copied from and to.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] above the granted buffer or binding size.
    pub fn storage(&self, label: &str, bytes: u64) -> Result<Buffer> {
        self.fits_binding(label, bytes)?;
        self.sliced(label, bytes)
    }

    /// The same, but may be larger than a binding: kernels bind slices of it.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] above the granted buffer size.
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

    /// Writes bytes into a buffer before the next submission.
    ///
    /// # Errors
    /// [`Error::Shape`] if the range is not whole 4-byte words inside the buffer.
    pub fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        check_range("a write", buffer, offset, bytes.len() as u64)?;
        self.queue().write_buffer(buffer, offset, bytes);
        Ok(())
    }

    pub(crate) fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<Buffer> {
        let size = bytes.next_multiple_of(16).max(16);
        self.fits(label, size, "max_buffer_size", self.caps().limits.max_buffer_size)?;
        // A buffer without usages is invalid.
        let usage = if self.injector().denies_allocation() { wgpu::BufferUsages::empty() } else { usage };
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let lease = self.ledger().count(size);
        Ok(Buffer::new(self.device().create_buffer(&descriptor), lease))
    }

    /// A zeroed texture of `width` x `height` vec4s.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] above the granted texture dimension.
    pub(crate) fn texture(&self, label: &str, width: u32, height: u32) -> Result<TextureHandle> {
        use wgpu::TextureUsages as U;
        let granted = self.caps().limits.max_texture_dimension_2d;
        if width.max(height) > granted {
            return Err(Error::LimitExceeded {
                what: label.to_owned(),
                limit: "max_texture_dimension_2d",
                needed: width.max(height).into(),
                granted: granted.into(),
                advice: "planes in buffers, or a smaller batch or length".to_owned(),
            });
        }
        let usage = U::TEXTURE_BINDING | U::STORAGE_BINDING | U::COPY_SRC | U::COPY_DST;
        let texture = self.device().create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            // A texture without usages is invalid.
            usage: if self.injector().denies_allocation() { U::empty() } else { usage },
            view_formats: &[],
        });
        let lease = self.ledger().count(16 * u64::from(width) * u64::from(height));
        Ok(TextureHandle::new(texture, lease))
    }

    /// Fails unless one binding can hold so many bytes.
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

/// Fails unless `offset .. offset + bytes` is inside the buffer and made of whole 4-byte words.
pub(crate) fn check_range(what: &str, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<()> {
    let inside = offset.checked_add(bytes).is_some_and(|end| end <= buffer.size());
    if inside && offset.is_multiple_of(4) && bytes.is_multiple_of(4) {
        return Ok(());
    }
    let expected = format!("whole words of {} bytes", buffer.size());
    Err(Error::shape(what, expected, format!("{bytes} bytes from {offset} on")))
}
