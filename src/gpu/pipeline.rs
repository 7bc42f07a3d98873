//! Compilation of kernels, once per specialization, and search for those that a driver rejects.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::compiled::{Pipeline, Pipelines};
use super::{Gpu, Kernel, Kind, Placement, Specialization};
use crate::error::Result;

impl Gpu {
    /// The pipeline of a kernel's specialization, compiled at first use.
    pub(crate) fn pipeline(&self, kernel: &'static Kernel, special: &Specialization) -> Arc<Pipeline> {
        let key = (kernel.entry, self.injector().spoilt_source(kernel, kernel.wgsl(special)));
        // Locked while compiling: a second thread waits instead of compiling the same pipeline again.
        let mut cache = self.pipelines();
        if let Some(found) = cache.get(&key) {
            return Arc::clone(found);
        }
        let number = self.ledger().pipelines.fetch_add(1, Ordering::Relaxed);
        let made = Arc::new(self.make_pipeline(kernel, special, &key.1, number));
        cache.insert(key, Arc::clone(&made));
        made
    }

    /// Sources of the pipelines in use; a test compares them with [`crate::catalogue`].
    pub fn sources(&self) -> Vec<String> {
        self.pipelines().keys().map(|(_, source)| source.clone()).collect()
    }

    /// Compiles a kernel ahead of its first use.
    ///
    /// # Errors
    /// [`crate::Error::Rejected`], with file and line, if it does not compile; as [`Gpu::checked`].
    pub async fn compile(&self, kernel: &'static Kernel, special: &Specialization) -> Result<()> {
        let build = || {
            self.pipeline(kernel, special);
            Ok(())
        };
        self.checked(&format!("compiling {}", kernel.label()), build).await
    }

    /// The first of `suspects` that does not compile: kernel, line, and compiler message.
    pub(super) async fn first_rejected(&self, suspects: Pipelines) -> Option<String> {
        let mut suspects: Vec<_> = suspects.into_iter().collect();
        suspects.sort_by_key(|(_, pipeline)| pipeline.number);
        for ((_, wgsl), pipeline) in suspects {
            let (kernel, label) = (pipeline.kernel, pipeline.kernel.label());
            let module = {
                let scope = self.device().push_error_scope(wgpu::ErrorFilter::Validation);
                let module = self.shader(&label, &wgsl);
                drop(scope.pop());
                module
            };
            let info = module.get_compilation_info().await;
            let is_error = |m: &&wgpu::CompilationMessage| m.message_type == wgpu::CompilationMessageType::Error;
            if let Some(wgpu::CompilationMessage { message, location, .. }) = info.messages.iter().find(is_error) {
                let place = location
                    .map(|at| format!(", {}", kernel.origin(&pipeline.special, &wgsl, at.line_number as usize)));
                return Some(format!("{label}{}: {message}", place.unwrap_or_default()));
            }
        }
        None
    }

    fn shader(&self, label: &str, wgsl: &str) -> wgpu::ShaderModule {
        self.device().create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        })
    }

    fn make_pipeline(&self, kernel: &'static Kernel, special: &Specialization, wgsl: &str, number: u64) -> Pipeline {
        let label = kernel.label();
        let device = self.device();
        let module = self.shader(&label, wgsl);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&label),
            entries: &layout_entries(kernel, special.placement),
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
                // Every kernel writes workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { raw, layout, kernel, special: special.clone(), number }
    }
}

fn layout_entries(kernel: &Kernel, placement: Placement) -> Vec<wgpu::BindGroupLayoutEntry> {
    let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
    let storage = |read_only| buffer(wgpu::BufferBindingType::Storage { read_only });
    let types = kernel.operands.iter().map(|operand| match (operand.kind, placement) {
        (Kind::Array(_), _) | (Kind::Plane | Kind::Weights, Placement::Buffer) => storage(!operand.writes()),
        (Kind::Table(_), _) => buffer(wgpu::BufferBindingType::Uniform),
        (Kind::Plane, Placement::Texture) if operand.writes() => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::WriteOnly,
            format: wgpu::TextureFormat::Rgba32Float,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
        (Kind::Weights | Kind::Plane, Placement::Texture) => wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
    });
    let uniform = buffer(wgpu::BufferBindingType::Uniform);
    std::iter::once(uniform)
        .chain(types)
        .chain([uniform])
        .enumerate()
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        })
        .collect()
}
