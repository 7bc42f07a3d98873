//! Describes the adapter, its clock and the program in results.

use std::collections::BTreeMap;

use super::clock::Stopwatch;
use super::result::Adapter;
use crate::gpu::{AdapterClass, Gpu, Placement};

/// Describes the adapter and its tested clock.
pub(super) fn adapter(gpu: &Gpu, watch: &Stopwatch, commit: Option<String>) -> Adapter {
    Adapter {
        clock: watch.name().into(),
        clock_resolution_ns: 1e9 * watch.resolution_s(),
        clock_note: watch.note().map(str::to_owned),
        ..untimed(gpu, commit)
    }
}

/// Describes the adapter without a clock.
pub(super) fn untimed(gpu: &Gpu, commit: Option<String>) -> Adapter {
    let (caps, info) = (gpu.caps(), gpu.device().adapter_info());
    let summary = caps.adapter.clone();
    Adapter {
        name: summary.name,
        vendor: info.vendor,
        device: info.device,
        driver: summary.driver,
        backend: summary.backend,
        class: summary.class.to_string(),
        software: summary.class == AdapterClass::Software,
        features: caps.features.iter_names().map(|(name, _)| name.to_owned()).collect(),
        granted: granted(&caps.limits),
        clock: "wall".into(),
        clock_resolution_ns: 0.0,
        clock_note: None,
        version: env!("CARGO_PKG_VERSION").into(),
        commit,
    }
}

/// The limits that kernels and sizes depend on, by their WebGPU names.
fn granted(limits: &wgpu::Limits) -> BTreeMap<String, u64> {
    [
        ("maxBufferSize", limits.max_buffer_size),
        ("maxStorageBufferBindingSize", limits.max_storage_buffer_binding_size),
        ("maxTextureDimension2D", limits.max_texture_dimension_2d.into()),
        ("maxComputeWorkgroupStorageSize", limits.max_compute_workgroup_storage_size.into()),
        ("maxComputeInvocationsPerWorkgroup", limits.max_compute_invocations_per_workgroup.into()),
        ("maxComputeWorkgroupsPerDimension", limits.max_compute_workgroups_per_dimension.into()),
        ("maxStorageBuffersPerShaderStage", limits.max_storage_buffers_per_shader_stage.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The kernel plan as text.
pub(super) fn plan(gpu: &Gpu, placement: Placement) -> String {
    let operands = match placement {
        Placement::Buffer => "buffers",
        Placement::Texture => "textures",
    };
    format!("{}, {operands}", gpu.tuning().target.name())
}
