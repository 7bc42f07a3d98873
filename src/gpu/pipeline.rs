//! Pipelines, cached by their final source.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Access, Gpu, Kernel, Kind, Placement, Variant};

/// A compiled kernel with the layout of its bind group.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

impl Gpu {
    /// The pipeline of a kernel's variant; compiled at its first use.
    pub(crate) fn pipeline(&self, kernel: &Kernel, variant: &Variant) -> Arc<Pipeline> {
        let key = (kernel.entry, kernel.wgsl(variant));
        // Held while compiling: a second thread that wants the same pipeline waits instead of compiling it again.
        let mut cache = self.pipelines();
        if let Some(found) = cache.get(&key) {
            return Arc::clone(found);
        }
        let made = Arc::new(self.compile(kernel, variant, &key.1));
        self.ledger().pipelines.fetch_add(1, Ordering::Relaxed);
        cache.insert(key, Arc::clone(&made));
        made
    }

    /// The sources of the pipelines in use, for the test that holds them against [`crate::ops::catalogue`].
    pub fn sources(&self) -> Vec<String> {
        self.pipelines().keys().map(|(_, source)| source.clone()).collect()
    }

    fn compile(&self, kernel: &Kernel, variant: &Variant, wgsl: &str) -> Pipeline {
        let label = format!("{}:{}", kernel.stem, kernel.entry);
        let device = self.device();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&label),
            entries: &layout_entries(kernel, variant.placement),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                // Every kernel stores into workgroup memory before it loads from it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { raw, layout }
    }
}

fn layout_entries(kernel: &Kernel, placement: Placement) -> Vec<wgpu::BindGroupLayoutEntry> {
    let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
    let storage = |read_only| buffer(wgpu::BufferBindingType::Storage { read_only });
    let types = kernel.operands.iter().map(|operand| match (operand.kind, placement) {
        (Kind::Array(_, access), _) | (Kind::Plane(access), Placement::Buffer) => storage(access == Access::Read),
        (Kind::Weights, Placement::Buffer) => storage(true),
        (Kind::Weights | Kind::Plane(Access::Read), Placement::Texture) => wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        (Kind::Plane(Access::Write), Placement::Texture) => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::WriteOnly,
            format: wgpu::TextureFormat::Rgba32Float,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    });
    std::iter::once(buffer(wgpu::BufferBindingType::Uniform))
        .chain(types)
        .enumerate()
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        })
        .collect()
}
