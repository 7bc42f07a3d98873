//! Programs: dispatches and copies that are made once, with all their buffers and bind groups, and recorded any number of times.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::memory::Weights;
use super::pieces::{Piece, fold, pieces};
use super::pipeline::Pipeline;
use super::plane::{Plane, Store, TextureHandle};
use super::{Buffer, Gpu, Kernel, Kind, Placement, Variant};
use crate::error::{Error, Result, expect_shape};

/// What is bound to an operand.
#[derive(Debug, Clone, Copy)]
pub enum Bind<'a> {
    /// A plane, for a plane operand.
    Plane(&'a Plane),
    /// A parameter, for a weights operand.
    Weights(&'a Weights),
    /// A whole buffer, for an array operand.
    Buffer(&'a Buffer),
    /// Bytes `offset .. offset + size` of a buffer; the offset is a multiple of 256.
    Slice(&'a Buffer, u64, u64),
    /// Nothing: a flag of the kernel says so, and a dummy is bound.
    Absent,
}

/// Estimated work of a dispatch; submissions are bounded by it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes loaded and stored, if every value moved once.
    pub bytes: f64,
}

/// A kernel with all that it needs to run.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Stem and entry point.
    pub label: String,
    /// Estimated work.
    pub cost: Cost,
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 2],
    /// What the bind group keeps alive on the device, so that it counts as live.
    _held: Arc<[Held]>,
}

/// A resource of a bind group.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    Buffer(Buffer),
    Texture(TextureHandle),
}

impl Bind<'_> {
    fn held(&self) -> Option<Held> {
        match *self {
            Bind::Plane(Plane { store: Store::Buffer(buffer), .. })
            | Bind::Buffer(buffer)
            | Bind::Slice(buffer, ..) => Some(Held::Buffer(buffer.clone())),
            Bind::Plane(Plane { store: Store::Texture(texture), .. })
            | Bind::Weights(Weights { mirror: Some(texture), .. }) => Some(Held::Texture(texture.clone())),
            Bind::Weights(weights) => Some(Held::Buffer(weights.page.clone())),
            Bind::Absent => None,
        }
    }
}

/// One step of a program.
#[derive(Debug, Clone)]
pub enum Command {
    /// Runs a kernel.
    Dispatch(Dispatch),
    /// Copies a buffer into its texture.
    Mirror(Mirror),
    /// Copies the texture into its buffer.
    Fetch(Mirror),
}

/// A buffer and the texture that stands for it where kernels run: a parameter page, or a plane. Rows of the buffer begin at
/// multiples of 256 bytes.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub(crate) page: Buffer,
    pub(crate) texture: TextureHandle,
}

/// Commands in the order in which they run.
#[derive(Debug, Clone, Default)]
pub struct Program {
    commands: Vec<Command>,
}

impl Program {
    /// Adds a command.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds commands.
    pub(crate) fn extend(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.commands.extend(commands);
    }

    /// Adds dispatches: those of a kernel, in the pieces that it was cut into.
    pub fn dispatch(&mut self, dispatches: impl IntoIterator<Item = Dispatch>) {
        self.commands.extend(dispatches.into_iter().map(Command::Dispatch));
    }

    /// Adds all of another program.
    pub fn append(&mut self, other: &Program) {
        self.commands.extend(other.commands.iter().cloned());
    }

    /// The commands.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Estimated work of all dispatches.
    pub fn cost(&self) -> Cost {
        self.commands.iter().fold(Cost::default(), |sum, c| {
            let cost = c.cost();
            Cost { flops: sum.flops + cost.flops, bytes: sum.bytes + cost.bytes }
        })
    }

    /// Records everything into a caller's encoder; nothing is submitted.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        record(&self.commands, encoder);
    }

    /// Records commands `range` (see [`Program::cuts`]) into a caller's encoder.
    pub fn record_range(&self, range: std::ops::Range<usize>, encoder: &mut wgpu::CommandEncoder) {
        record(&self.commands[range], encoder);
    }

    /// Where a caller may cut the program into submissions of about 100 ms of estimated work on `gpu`'s adapter: the
    /// ends of the ranges.
    pub fn cuts(&self, gpu: &Gpu) -> Vec<usize> {
        let mut cuts = Vec::new();
        let mut spent = 0.0;
        for (i, command) in self.commands.iter().enumerate() {
            let ms = gpu.caps().estimate_ms(command.cost());
            if spent > 0.0 && spent + ms > super::recorder::BUDGET_MS {
                cuts.push(i);
                spent = 0.0;
            }
            spent += ms;
        }
        cuts.push(self.commands.len());
        cuts
    }
}

impl Program {
    /// The commands `times` over, cut into submissions of about 100 ms of estimated work and some thousand commands.
    pub(crate) fn repeated(&self, gpu: &Gpu, times: u32) -> Vec<Vec<Command>> {
        const MOST: usize = 4096;
        let (mut slices, mut spent) = (vec![Vec::new()], 0.0);
        for command in (0..times).flat_map(|_| &self.commands) {
            let ms = gpu.caps().estimate_ms(command.cost());
            let full = slices.last().is_some_and(|slice| slice.len() >= MOST);
            if full || (spent > 0.0 && spent + ms > super::recorder::BUDGET_MS) {
                slices.push(Vec::new());
                spent = 0.0;
            }
            spent += ms;
            if let Some(slice) = slices.last_mut() {
                slice.push(command.clone());
            }
        }
        slices
    }
}

impl Command {
    /// Estimated work.
    pub fn cost(&self) -> Cost {
        match self {
            Self::Dispatch(dispatch) => dispatch.cost,
            Self::Mirror(mirror) | Self::Fetch(mirror) => Cost { flops: 0.0, bytes: 2.0 * mirror.page.size() as f64 },
        }
    }
}

/// Records commands, with one compute pass for each run of dispatches.
pub(crate) fn record(commands: &[Command], encoder: &mut wgpu::CommandEncoder) {
    let is_dispatch = |c: &Command| matches!(c, Command::Dispatch(_));
    for run in commands.chunk_by(|a, b| is_dispatch(a) && is_dispatch(b)) {
        match run {
            [Command::Mirror(mirror)] => mirror.load(encoder),
            [Command::Fetch(mirror)] => mirror.store(encoder),
            dispatches => record_pass(dispatches, encoder),
        }
    }
}

fn record_pass(dispatches: &[Command], encoder: &mut wgpu::CommandEncoder) {
    let mut pass = encoder.begin_compute_pass(&Default::default());
    for command in dispatches {
        if let Command::Dispatch(dispatch) = command {
            dispatch.record(&mut pass);
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

impl Mirror {
    fn load(&self, encoder: &mut wgpu::CommandEncoder) {
        let texture = &self.texture.texture;
        encoder.copy_buffer_to_texture(self.rows(), texture.as_image_copy(), texture.size());
    }

    fn store(&self, encoder: &mut wgpu::CommandEncoder) {
        let texture = &self.texture.texture;
        encoder.copy_texture_to_buffer(texture.as_image_copy(), self.rows(), texture.size());
    }

    fn rows(&self) -> wgpu::TexelCopyBufferInfo<'_> {
        let bytes_per_row = Some((16 * self.texture.texture.width()).next_multiple_of(ROW_ALIGN));
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row, rows_per_image: None };
        wgpu::TexelCopyBufferInfo { buffer: &self.page, layout }
    }
}

/// What a row of a texture takes in a buffer is a multiple of this.
pub(crate) const ROW_ALIGN: u32 = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT;

impl Gpu {
    /// Makes a dispatch of `groups` workgroups: compiles the kernel if need be, checks what is bound, makes the bind groups. One of
    /// more estimated work than a submission may have comes in several pieces.
    ///
    /// # Errors
    /// [`Error::Shape`] if a bound resource is not what the declaration says, or one buffer is bound twice and stored to;
    /// [`Error::LimitExceeded`] for a slice past the granted binding size.
    pub(crate) fn dispatch<P: bytemuck::Pod>(
        &self,
        kernel: &'static Kernel,
        variant: &Variant,
        params: &P,
        binds: &[Bind<'_>],
        groups: u64,
        cost: Cost,
    ) -> Result<Vec<Dispatch>> {
        let label = kernel.label();
        expect_shape(&format!("{label} (operands)"), kernel.operands.len(), binds.len())?;
        for (operand, bind) in kernel.operands.iter().zip(binds) {
            let fits = match (operand.kind, bind) {
                (_, Bind::Absent)
                | (Kind::Array(..), Bind::Buffer(_) | Bind::Slice(..))
                | (Kind::Table(_), Bind::Buffer(_)) => true,
                (Kind::Weights, Bind::Weights(weights)) => {
                    weights.mirror.is_some() == (variant.placement == Placement::Texture)
                }
                (Kind::Plane(_), Bind::Plane(plane)) => plane.placement() == variant.placement,
                _ => false,
            };
            if !fits {
                return Err(Error::shape(
                    format!("{label}, {}", operand.name),
                    format!("{:?}", operand.kind),
                    format!("{bind:?}"),
                ));
            }
            let bytes = match *bind {
                Bind::Buffer(buffer) => buffer.size(),
                Bind::Slice(_, _, bytes) => bytes,
                _ => continue,
            };
            let what = format!("{label}, {}", operand.name);
            if bytes == 0 {
                return Err(Error::shape(what, "at least one element", "none"));
            }
            self.fits_binding(&what, bytes)?;
        }
        reject_aliases(&label, kernel, binds)?;
        let pipeline = self.pipeline(kernel, variant);
        // A kernel of one thread has no number to be told.
        let ms = if kernel.is_numbered() { self.caps().estimate_ms(cost) } else { 0.0 };
        let pieces = pieces(groups, ms)?;
        let uniform = self.uniforms(&label, bytemuck::bytes_of(params), &pieces)?;
        let resources: Vec<_> = kernel
            .operands
            .iter()
            .zip(binds)
            .enumerate()
            .map(|(i, (operand, bind))| self.resource(i, operand.kind, bind, variant))
            .collect();
        let own = Held::Buffer(uniform.clone());
        let held: Arc<[Held]> = binds.iter().filter_map(Bind::held).chain([own]).collect();
        let share = 1.0 / pieces.len() as f64;
        let cost = Cost { flops: cost.flops * share, bytes: cost.bytes * share };
        let parts = pieces.iter().enumerate().map(|(i, piece)| {
            let params = slice(&uniform, 0, size_of::<P>() as u64);
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
            Ok(Dispatch { label, cost, pipeline, bind_group, groups: fold(piece.count)?, _held: Arc::clone(&held) })
        });
        parts.collect()
    }

    /// The parameters of a kernel and, [`PARAMS_BYTES`] apart, the first workgroup of each piece but the first.
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

    fn resource<'a>(&'a self, i: usize, kind: Kind, bind: &Bind<'a>, variant: &Variant) -> wgpu::BindingResource<'a> {
        match *bind {
            // No more than the plane: a caller's buffer may hold other things behind it.
            Bind::Plane(plane @ Plane { store: Store::Buffer(buffer), .. }) => slice(buffer, 0, plane.bytes()),
            Bind::Buffer(buffer) => buffer.as_entire_binding(),
            Bind::Plane(Plane { store: Store::Texture(handle), .. }) => {
                wgpu::BindingResource::TextureView(&handle.view)
            }
            Bind::Weights(Weights { mirror: Some(mirror), .. }) => wgpu::BindingResource::TextureView(&mirror.view),
            Bind::Weights(weights) => slice(&weights.page, weights.offset_bytes, weights.size_bytes()),
            Bind::Slice(buffer, offset, size) => slice(buffer, offset, size),
            Bind::Absent => match (kind, variant.placement) {
                (Kind::Array(..), _) | (_, Placement::Buffer) => self.dummies().buffers[i].as_entire_binding(),
                _ => wgpu::BindingResource::TextureView(&self.dummies().textures[i].view),
            },
        }
    }
}

/// From one binding of uniforms to the next: the largest alignment that a device may ask for.
const PARAMS_BYTES: u64 = 256;

fn slice(buffer: &Buffer, offset: u64, size: u64) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(size) })
}

/// WebGPU forbids a resource that is stored to from being bound twice in a dispatch, even in disjoint ranges.
fn reject_aliases(label: &str, kernel: &Kernel, binds: &[Bind<'_>]) -> Result<()> {
    let all: Vec<_> = binds.iter().map(Bind::held).collect();
    for (i, operand) in kernel.operands.iter().enumerate().filter(|(_, o)| o.writes() && o.kind != Kind::Weights) {
        let alias = (0..all.len()).find(|&j| j != i && all[i].is_some() && all[i] == all[j]);
        if let Some(j) = alias {
            let got = format!("the resource of {}", kernel.operands[j].name);
            return Err(Error::shape(format!("{label}, {}", operand.name), "a resource of its own", got));
        }
    }
    Ok(())
}

/// Stand-ins for absent operands, one a binding so that none is bound twice.
#[derive(Debug, Default)]
pub(crate) struct Dummies {
    buffers: Vec<Buffer>,
    textures: Vec<TextureHandle>,
}

impl Dummies {
    const COUNT: usize = 10;
    /// The one that holds 0 for the first workgroup of every first piece: no kernel has so many operands, and nothing writes it.
    const FIRST_GROUP: usize = Self::COUNT - 1;

    pub(crate) fn new(gpu: &Gpu) -> Result<Self> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM;
        Ok(Self {
            buffers: (0..Self::COUNT).map(|_| gpu.buffer("absent operand", 256, usage)).collect::<Result<_>>()?,
            textures: (0..Self::COUNT)
                .map(|_| TextureHandle::new(gpu, "absent operand", 1, 1))
                .collect::<Result<_>>()?,
        })
    }
}
