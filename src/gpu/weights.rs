//! Parameter tensors in pages.

use super::handle::{Buffer, TextureHandle};

/// A parameter tensor inside a page: `rows` x `cols` floats, both padded to multiples of 4 with zeros, row-major.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The page.
    pub page: Buffer,
    /// The page's texture copy, where planes are stored in textures.
    pub(crate) mirror: Option<TextureHandle>,
    /// First byte of the tensor in its page, a multiple of 256.
    pub offset_bytes: u64,
    /// Rows; 1 for a vector.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
}

impl Weights {
    /// vec4s in a row.
    pub fn stride(&self) -> u32 {
        self.cols.div_ceil(4)
    }
    /// Rows with padding; a vector has no padding rows.
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
    /// First vec4 of the tensor in its page's texture copy; 0 in a buffer, where the binding starts at the tensor.
    pub(crate) fn base(&self) -> u32 {
        if self.mirror.is_some() { (self.offset_bytes / 16) as u32 } else { 0 }
    }
}
