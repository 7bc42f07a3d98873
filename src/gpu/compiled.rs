//! Cache of compiled kernels, by final source.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Kernel, Specialization};

/// Pipelines by entry point and WGSL text.
pub(super) type Pipelines = HashMap<(&'static str, String), Arc<Pipeline>>;

/// A compiled kernel with the layout of its bind group.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
    pub(super) kernel: &'static Kernel,
    pub(super) special: Specialization,
    /// Number of pipelines made on the device before it.
    pub(super) number: u64,
}
