//! Stand-ins for absent operands.

use super::handle::{Buffer, TextureHandle};

/// One a binding, so that none is bound twice.
#[derive(Debug, Default)]
pub(super) struct Dummies {
    pub(super) buffers: Vec<Buffer>,
    pub(super) textures: Vec<TextureHandle>,
}

impl Dummies {
    pub(super) const COUNT: usize = 10;
    /// The one that holds 0 for the first workgroup of every first piece: no kernel has so many operands, and nothing writes it.
    pub(super) const FIRST_GROUP: usize = Self::COUNT - 1;
}
