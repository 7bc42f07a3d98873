//! A buffer and its texture copy, which kernels use instead, and the copies between them.

use super::handle::{Buffer, TextureHandle};

/// A buffer, holding a parameter page or a plane, with its texture copy for kernels. Rows of the buffer begin at
/// multiples of 256 bytes.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub(crate) page: Buffer,
    pub(crate) texture: TextureHandle,
}

impl Mirror {
    pub(super) fn load(&self, encoder: &mut wgpu::CommandEncoder) {
        let texture = &self.texture.texture;
        encoder.copy_buffer_to_texture(self.rows(), texture.as_image_copy(), texture.size());
    }

    pub(super) fn store(&self, encoder: &mut wgpu::CommandEncoder) {
        let texture = &self.texture.texture;
        encoder.copy_texture_to_buffer(texture.as_image_copy(), self.rows(), texture.size());
    }

    fn rows(&self) -> wgpu::TexelCopyBufferInfo<'_> {
        let bytes_per_row = Some((16 * self.texture.texture.width()).next_multiple_of(ROW_ALIGN));
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row, rows_per_image: None };
        wgpu::TexelCopyBufferInfo { buffer: &self.page, layout }
    }
}

/// Alignment in bytes of a texture's rows in a buffer.
pub(crate) const ROW_ALIGN: u32 = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT;
