//! Planes: rows of channels, padded to vec4s with zeros, in a buffer or a texture.

use super::handle::{Buffer, TextureHandle};
use super::mirror::{Mirror, ROW_ALIGN};
use super::{Gpu, Placement};
use crate::error::{Error, Result, expect_at_least, expect_count};

/// A matrix of `rows` x `cols` floats, row-major; a tensor [B, T, D] has B T rows of D. A row takes `stride` vec4s,
/// padded with zeros.
#[derive(Debug, Clone)]
pub struct Plane {
    /// Rows.
    pub rows: u32,
    /// Columns, without padding.
    pub cols: u32,
    pub(crate) store: Store,
}

#[derive(Debug, Clone)]
pub(crate) enum Store {
    Buffer(Buffer),
    Texture(TextureHandle),
}

impl Plane {
    /// A zeroed plane.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] above the granted buffer size or texture dimension.
    pub fn new(gpu: &Gpu, label: &str, rows: u32, cols: u32, placement: Placement) -> Result<Self> {
        let stride = cols.div_ceil(4).max(1);
        let store = match placement {
            Placement::Buffer => Store::Buffer(gpu.storage(label, 16 * u64::from(rows.max(1)) * u64::from(stride))?),
            Placement::Texture => Store::Texture(gpu.texture(label, stride, rows.max(1))?),
        };
        Ok(Self { rows, cols, store })
    }

    /// A plane in a caller's buffer of `rows` x `stride` vec4s.
    ///
    /// # Errors
    /// [`Error::Shape`] if the buffer is too small.
    pub fn from_buffer(buffer: wgpu::Buffer, rows: u32, cols: u32) -> Result<Self> {
        let needed = 16 * u64::from(rows) * u64::from(cols.div_ceil(4));
        expect_at_least("buffer of a plane", "bytes", needed, buffer.size())?;
        Ok(Self { rows, cols, store: Store::Buffer(buffer.into()) })
    }

    /// A plane that holds `data` [rows, cols], unpadded.
    ///
    /// # Errors
    /// As [`Plane::new`]; [`Error::Shape`] if `data` has another length.
    pub fn upload(gpu: &Gpu, label: &str, rows: u32, cols: u32, data: &[f32], placement: Placement) -> Result<Self> {
        let plane = Self::new(gpu, label, rows, cols, placement)?;
        plane.write(gpu, data)?;
        Ok(plane)
    }

    /// Overwrites the plane with `data` [rows, cols], unpadded, before the next submission.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data` has another length.
    pub fn write(&self, gpu: &Gpu, data: &[f32]) -> Result<()> {
        let (rows, cols, stride) = (self.rows as usize, self.cols as usize, self.stride() as usize);
        expect_count("data of a plane", "numbers", rows * cols, data.len())?;
        if data.is_empty() {
            return Ok(());
        }
        let mut padded = vec![0.0f32; rows * stride * 4];
        for (to, from) in padded.chunks_mut(stride * 4).zip(data.chunks(cols)) {
            to[..cols].copy_from_slice(from);
        }
        self.write_padded(gpu, &padded)
    }

    /// Sets every element, padding included, before the next submission.
    ///
    /// # Errors
    /// As [`Gpu::write`].
    pub fn fill(&self, gpu: &Gpu, value: f32) -> Result<()> {
        self.write_padded(gpu, &vec![value; self.rows as usize * self.stride() as usize * 4])
    }

    fn write_padded(&self, gpu: &Gpu, padded: &[f32]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(padded);
        match &self.store {
            Store::Buffer(buffer) => gpu.write(buffer, 0, bytes)?,
            Store::Texture(handle) => gpu.queue().write_texture(
                handle.texture.as_image_copy(),
                bytes,
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(16 * self.stride()),
                    rows_per_image: None,
                },
                handle.texture.size(),
            ),
        }
        Ok(())
    }

    /// Reads the plane back as [rows, cols], unpadded.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the device was lost.
    pub async fn read(&self, gpu: &Gpu) -> Result<Vec<f32>> {
        let padded = self.read_padded(gpu).await?;
        let width = self.stride() as usize * 4;
        Ok(padded.chunks(width).take(self.rows as usize).flat_map(|r| &r[..self.cols as usize]).copied().collect())
    }

    /// Reads one row `[cols]`.
    ///
    /// # Errors
    /// As [`Plane::read`].
    pub async fn read_row(&self, gpu: &Gpu, row: u32) -> Result<Vec<f32>> {
        let mut values = self.read_rows(gpu, row, 1).await?;
        values.truncate(self.cols as usize);
        Ok(values)
    }

    /// Reads the plane with its padding, [rows, 4 stride].
    ///
    /// # Errors
    /// As [`Plane::read`].
    pub async fn read_padded(&self, gpu: &Gpu) -> Result<Vec<f32>> {
        self.read_rows(gpu, 0, self.rows).await
    }

    async fn read_rows(&self, gpu: &Gpu, first: u32, count: u32) -> Result<Vec<f32>> {
        if first.checked_add(count).is_none_or(|end| end > self.rows) {
            let got = format!("{count} rows from {first} on");
            return Err(Error::shape("rows of a plane", format!("rows below row {}", self.rows), got));
        }
        let row_bytes = 16 * self.stride();
        match &self.store {
            Store::Buffer(buffer) => {
                let [offset, bytes] = [first, count].map(|rows| u64::from(rows) * u64::from(row_bytes));
                gpu.read(buffer, offset, bytes).await
            }
            Store::Texture(handle) => {
                // Copies need rows of a multiple of 256 bytes.
                let pitch = row_bytes.next_multiple_of(256);
                let bytes = u64::from(pitch) * u64::from(count);
                let staging = gpu
                    .checked("reading a texture back", || {
                        let staging = gpu.storage("texture readback", bytes)?;
                        let layout =
                            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
                        let mut source = handle.texture.as_image_copy();
                        source.origin.y = first;
                        let mut encoder = gpu.device().create_command_encoder(&Default::default());
                        encoder.copy_texture_to_buffer(
                            source,
                            wgpu::TexelCopyBufferInfo { buffer: &staging, layout },
                            wgpu::Extent3d { height: count, ..handle.texture.size() },
                        );
                        gpu.queue().submit([encoder.finish()]);
                        Ok(staging)
                    })
                    .await?;
                let all: Vec<f32> = gpu.read(&staging, 0, bytes).await?;
                let width = row_bytes as usize / 4;
                Ok(all.chunks(pitch as usize / 4).flat_map(|r| &r[..width]).copied().collect())
            }
        }
    }

    /// A storage buffer to copy a texture plane from or to; none for a plane in a buffer.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub(crate) fn beside(&self, gpu: &Gpu) -> Result<Option<Mirror>> {
        let Store::Texture(texture) = &self.store else { return Ok(None) };
        let row_bytes = (16 * self.stride()).next_multiple_of(ROW_ALIGN);
        let page = gpu.sliced("operand", u64::from(row_bytes) * u64::from(self.rows.max(1)))?;
        Ok(Some(Mirror { page, texture: texture.memory() }))
    }

    /// vec4s in a row.
    pub fn stride(&self) -> u32 {
        self.cols.div_ceil(4).max(1)
    }

    /// Bytes with padding; at least one vec4, because a binding cannot be empty.
    pub(crate) fn bytes(&self) -> u64 {
        16 * u64::from(self.rows.max(1)) * u64::from(self.stride())
    }

    /// Storage: buffer or texture.
    pub fn placement(&self) -> Placement {
        match self.store {
            Store::Buffer(_) => Placement::Buffer,
            Store::Texture(_) => Placement::Texture,
        }
    }
}
