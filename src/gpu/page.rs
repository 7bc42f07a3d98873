//! Parameter pages: buffers that hold many tensors, with texture copies for software drivers.

use super::handle::{Buffer, TextureHandle};
use super::kernel::PAGE_ROW;
use super::mirror::Mirror;
use super::program::Command;
use super::weights::Weights;
use super::{Gpu, Placement};
use crate::error::{Result, expect_count};

/// Alignment in bytes of the tensors in a page; every device accepts it for binding offsets.
pub const ALIGN_BYTES: u64 = 256;

/// A buffer of parameters, with a texture copy where planes are stored in textures.
#[derive(Debug, Clone)]
pub struct Page {
    /// The parameters.
    pub buffer: Buffer,
    mirror: Option<TextureHandle>,
}

impl Page {
    /// A zeroed page of at least `bytes`.
    ///
    /// # Errors
    /// [`crate::Error::LimitExceeded`] above a granted limit.
    pub fn new(gpu: &Gpu, label: &str, bytes: u64, placement: Placement) -> Result<Self> {
        let row_bytes = 16 * u64::from(PAGE_ROW);
        match placement {
            Placement::Buffer => Ok(Self { buffer: gpu.storage(label, bytes)?, mirror: None }),
            Placement::Texture => {
                let rows = bytes.div_ceil(row_bytes).max(1);
                let buffer = gpu.storage(label, rows * row_bytes)?;
                let rows = u32::try_from(rows).unwrap_or(u32::MAX);
                Ok(Self { buffer, mirror: Some(gpu.texture(label, PAGE_ROW, rows)?) })
            }
        }
    }

    /// The tensor of `rows` x `cols` that starts at byte `offset_bytes`.
    pub fn tensor(&self, offset_bytes: u64, rows: u32, cols: u32) -> Weights {
        Weights { page: self.buffer.clone(), mirror: self.mirror.clone(), offset_bytes, rows, cols }
    }

    /// Submits [`Page::refresh`], if there is a texture copy.
    pub fn submit_refresh(&self, gpu: &Gpu) {
        if let Some(command) = self.refresh() {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            super::program::record(&[command], &mut encoder);
            gpu.queue().submit([encoder.finish()]);
        }
    }

    /// Command that updates the texture copy from the buffer; none if there is no texture.
    pub fn refresh(&self) -> Option<Command> {
        let texture = self.mirror.clone()?;
        Some(Command::Mirror(Mirror { page: self.buffer.clone(), texture }))
    }
}

impl Weights {
    /// Command that updates the texture copy of its page; none if there is no texture.
    pub(crate) fn refresh(&self) -> Option<Command> {
        let texture = self.mirror.clone()?;
        Some(Command::Mirror(Mirror { page: self.page.clone(), texture }))
    }

    /// A tensor [rows, cols] that holds `data`, in its own page. Submits the copy into the page's texture, if there is
    /// one.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `data` has another length; as [`Page::new`].
    pub fn upload(gpu: &Gpu, label: &str, rows: u32, cols: u32, data: &[f32], placement: Placement) -> Result<Self> {
        let page = Page::new(gpu, label, Self::padded_bytes(rows, cols), placement)?;
        let tensor = page.tensor(0, rows, cols);
        gpu.write(&page.buffer, 0, bytemuck::cast_slice(&tensor.pad(data)?))?;
        page.submit_refresh(gpu);
        Ok(tensor)
    }

    /// `data` [rows, cols] with the padding of a page: [padded rows, 4 stride].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `data` has another length.
    pub fn pad(&self, data: &[f32]) -> Result<Vec<f32>> {
        let (rows, cols, width) = (self.rows as usize, self.cols as usize, 4 * self.stride() as usize);
        expect_count("data of a parameter", "numbers", rows * cols, data.len())?;
        let mut padded = vec![0.0; self.padded_rows() as usize * width];
        for (to, from) in padded.chunks_mut(width.max(1)).zip(data.chunks(cols.max(1))) {
            to[..cols].copy_from_slice(from);
        }
        Ok(padded)
    }

    /// Removes the padding: [padded rows, 4 stride] to [rows, cols].
    pub fn unpad(&self, padded: &[f32]) -> Vec<f32> {
        let width = 4 * self.stride() as usize;
        padded.chunks(width.max(1)).take(self.rows as usize).flat_map(|r| &r[..self.cols as usize]).copied().collect()
    }
}
