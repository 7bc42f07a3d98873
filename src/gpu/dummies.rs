//! Dummy resources for absent operands.

use super::handle::{Buffer, TextureHandle};

/// One dummy per binding, so that none is bound twice in a dispatch.
#[derive(Debug, Default)]
pub(super) struct Dummies {
    pub(super) buffers: Vec<Buffer>,
    pub(super) textures: Vec<TextureHandle>,
}

impl Dummies {
    pub(super) const COUNT: usize = 10;
    /// Index of the dummy that holds 0, the first workgroup of every first piece. No kernel has so many operands or
    /// writes to it.
    pub(super) const FIRST_GROUP: usize = Self::COUNT - 1;
}
