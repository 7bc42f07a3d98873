//! Dispatches: kernel calls with checked bindings, cut into pieces where the work is long.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::call::words;
use super::compiled::Pipeline;
use super::dummies::Dummies;
use super::handle::Memory;
use super::pieces::{Piece, fold, pieces};
use super::plane::{Plane, Store};
use super::weights::Weights;
use super::{Bind, Buffer, Call, Cost, Gpu, Kernel, Kind, Placement, Specialization};
use crate::error::{Error, Result};

/// A kernel with its bindings, ready to run.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Stem and entry point.
    pub label: String,
    /// Estimated work.
    pub cost: Cost,
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 2],
    /// Memory that the bind group keeps alive on the device: it counts as live.
    _memory: Arc<[Memory]>,
}

impl Bind<'_> {
    /// The bound memory, without its handle.
    fn memory(&self) -> Option<Memory> {
        match *self {
            Bind::Plane(Plane { store: Store::Buffer(buffer), .. }) | Bind::Slice { buffer, .. } => {
                Some(Memory::Buffer(buffer.memory()))
            }
            Bind::Plane(Plane { store: Store::Texture(texture), .. })
            | Bind::Weights(Weights { mirror: Some(texture), .. }) => Some(Memory::Texture(texture.memory())),
            Bind::Weights(weights) => Some(Memory::Buffer(weights.page.memory())),
            Bind::Absent => None,
        }
    }
}

impl Dispatch {
    /// Records the kernel into a compute pass.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline.raw);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], 1);
    }
}

impl Gpu {
    /// Makes a dispatch of `groups` workgroups: compiles the kernel if needed, checks the bindings, makes bind groups.
    /// A dispatch with more estimated work than one submission may have is cut into several.
    ///
    /// # Errors
    /// [`Error::Shape`] if a plane or tensor is not stored as the specialization says, a buffer is empty, or a resource
    /// that is stored to is bound twice; [`Error::LimitExceeded`] for a slice larger than the granted binding size.
    pub(crate) fn dispatch<C: Call>(
        &self,
        call: &C,
        special: &Specialization,
        groups: u64,
        cost: Cost,
    ) -> Result<Vec<Dispatch>> {
        self.dispatch_kernel(C::KERNEL, call.params(), &call.binds(), special, groups, cost)
    }

    fn dispatch_kernel(
        &self,
        kernel: &'static Kernel,
        params: Vec<u32>,
        binds: &[Bind<'_>],
        special: &Specialization,
        groups: u64,
        cost: Cost,
    ) -> Result<Vec<Dispatch>> {
        let label = kernel.label();
        for (operand, bind) in kernel.operands.iter().zip(binds) {
            let what = || format!("{label}, {}", operand.name);
            let found = match bind {
                Bind::Plane(plane) => plane.placement(),
                Bind::Weights(Weights { mirror: Some(_), .. }) => Placement::Texture,
                Bind::Weights(_) => Placement::Buffer,
                Bind::Absent => continue,
                Bind::Slice { size: 0, .. } => return Err(Error::shape(what(), "at least one element", "none")),
                Bind::Slice { size, .. } => {
                    self.fits_binding(&what(), *size)?;
                    continue;
                }
            };
            if found != special.placement {
                return Err(Error::shape(what(), special.placement.name(), found.name()));
            }
        }
        reject_aliases(&label, kernel, binds)?;
        let pipeline = self.pipeline(kernel, special);
        // A kernel that does not number its workgroups cannot be cut.
        let ms = if kernel.is_numbered() { self.caps().estimate_ms(cost) } else { 0.0 };
        let pieces = pieces(groups, ms)?;
        let words = words(kernel, params, binds);
        let params_bytes = 4 * words.len() as u64;
        let uniform = self.uniforms(&label, bytemuck::cast_slice(&words), &pieces)?;
        let resources: Vec<_> = kernel
            .operands
            .iter()
            .zip(binds)
            .enumerate()
            .map(|(i, (operand, bind))| self.resource(i, operand.kind, bind, special))
            .collect();
        let own = Memory::Buffer(uniform.clone());
        let memory: Arc<[Memory]> = binds.iter().filter_map(Bind::memory).chain([own]).collect();
        let share = 1.0 / pieces.len() as f64;
        let cost = Cost { flops: cost.flops * share, bytes: cost.bytes * share };
        let parts = pieces.iter().enumerate().map(|(i, piece)| {
            let params = slice(&uniform, 0, params_bytes);
            let first_group = match i {
                0 => slice(&self.dummies().buffers[Dummies::FIRST_GROUP], 0, 4),
                _ => slice(&uniform, PARAMS_BYTES * i as u64, 4),
            };
            let entries: Vec<_> = std::iter::once(params)
                .chain(resources.iter().cloned())
                .chain([first_group])
                .enumerate()
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding: binding as u32, resource })
                .collect();
            let bind_group = self.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&label),
                layout: &pipeline.layout,
                entries: &entries,
            });
            self.ledger().bind_groups.fetch_add(1, Ordering::Relaxed);
            let (label, pipeline) = (label.clone(), Arc::clone(&pipeline));
            Ok(Dispatch { label, cost, pipeline, bind_group, groups: fold(piece.count)?, _memory: Arc::clone(&memory) })
        });
        parts.collect()
    }

    /// Uniform buffer with the kernel's parameters and, every [`PARAMS_BYTES`] from there, the first workgroup of each
    /// later piece.
    fn uniforms(&self, label: &str, params: &[u8], pieces: &[Piece]) -> Result<Buffer> {
        let mut bytes = params.to_vec();
        for (i, piece) in pieces.iter().enumerate().skip(1) {
            bytes.resize(PARAMS_BYTES as usize * i, 0);
            bytes.extend(piece.first.to_le_bytes());
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniform = self.buffer(label, bytes.len() as u64, usage)?;
        self.write(&uniform, 0, &bytes)?;
        Ok(uniform)
    }

    fn resource<'a>(
        &'a self,
        i: usize,
        kind: Kind,
        bind: &Bind<'a>,
        special: &Specialization,
    ) -> wgpu::BindingResource<'a> {
        match *bind {
            // Only the plane: a caller's buffer may hold other data after it.
            Bind::Plane(plane @ Plane { store: Store::Buffer(buffer), .. }) => slice(buffer, 0, plane.bytes()),
            Bind::Plane(Plane { store: Store::Texture(handle), .. }) => {
                wgpu::BindingResource::TextureView(&handle.view)
            }
            Bind::Weights(Weights { mirror: Some(mirror), .. }) => wgpu::BindingResource::TextureView(&mirror.view),
            Bind::Weights(weights) => slice(&weights.page, weights.offset_bytes, weights.size_bytes()),
            Bind::Slice { buffer, offset, size } => slice(buffer, offset, size),
            Bind::Absent => match (kind, special.placement) {
                (Kind::Array(_) | Kind::Table(_), _) | (_, Placement::Buffer) => {
                    self.dummies().buffers[i].as_entire_binding()
                }
                _ => wgpu::BindingResource::TextureView(&self.dummies().textures[i].view),
            },
        }
    }
}

/// Bytes between uniform bindings: the largest offset alignment that a device may require.
const PARAMS_BYTES: u64 = 256;

fn slice(buffer: &Buffer, offset: u64, size: u64) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(size) })
}

/// WebGPU forbids a resource that is stored to from being bound twice in a dispatch, even in disjoint ranges.
fn reject_aliases(label: &str, kernel: &Kernel, binds: &[Bind<'_>]) -> Result<()> {
    let all: Vec<_> = binds.iter().map(Bind::memory).collect();
    for (i, operand) in kernel.operands.iter().enumerate().filter(|(_, o)| o.writes() && o.kind != Kind::Weights) {
        let alias = (0..all.len()).find(|&j| j != i && all[i].is_some() && all[i] == all[j]);
        if let Some(j) = alias {
            let got = format!("the resource of {}", kernel.operands[j].name);
            return Err(Error::shape(format!("{label}, {}", operand.name), "a resource of its own", got));
        }
    }
    Ok(())
}
