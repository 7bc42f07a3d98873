//! Test bench for a single kernel: planes, parameters and gradients in one placement, and a program over them.

use super::exp::ExpError;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Page, Placement, Plane, Recorder, Weights};
use crate::ops::nn::batch::{Batch, BatchLayout};
use crate::ops::nn::train_state::TrainState;
use crate::ops::{Builder, Gradient};

/// Both placements of planes; the one that the device's tuning prefers comes first.
pub(super) fn placements(gpu: &Gpu) -> [Placement; 2] {
    if gpu.tuning().textures {
        [Placement::Texture, Placement::Buffer]
    } else {
        [Placement::Buffer, Placement::Texture]
    }
}

/// Test bench for kernels.
pub(crate) struct Bench {
    /// Records the kernels.
    pub(crate) b: Builder,
    /// The adapter's exponential.
    pub(crate) exp: ExpError,
}

/// Gradients of two parameters in one page.
pub(crate) struct Gradients {
    /// The gradients as an operand.
    pub(crate) target: Gradient,
    page: Page,
    parts: [Weights; 2],
}

/// A ring of two slots. The second is in use; the first holds another batch.
pub(crate) struct Ring {
    layout: BatchLayout,
    data: Buffer,
    state: Buffer,
}

/// Alignment of tensors in a page: that of binding offsets.
const ALIGN: u64 = crate::gpu::ALIGN_BYTES;

impl Bench {
    pub(crate) fn new(gpu: &Gpu, placement: Placement, exp: ExpError) -> Self {
        Self { b: Builder::new(gpu, placement), exp: exp.excused() }
    }

    /// A plane that holds `data` [rows, cols].
    pub(crate) fn plane(&self, rows: usize, cols: usize, data: &[f32]) -> Result<Plane> {
        Plane::upload(&self.b.gpu, "check", rows as u32, cols as u32, data, self.b.placement)
    }

    /// A plane of NaN, so that elements that a kernel does not store are noticed.
    pub(crate) fn unwritten(&self, rows: usize, cols: usize) -> Result<Plane> {
        let plane = Plane::new(&self.b.gpu, "check", rows as u32, cols as u32, self.b.placement)?;
        plane.fill(&self.b.gpu, f32::NAN)?;
        Ok(plane)
    }

    /// A parameter with `data` [rows, cols].
    pub(crate) fn weights(&self, rows: usize, cols: usize, data: &[f32]) -> Result<Weights> {
        Weights::upload(&self.b.gpu, "check", rows as u32, cols as u32, data, self.b.placement)
    }

    /// Parameters with the given shapes, in one page.
    pub(crate) fn page<const N: usize>(&self, parts: [([usize; 2], &[f32]); N]) -> Result<[Weights; N]> {
        let mut at = 0;
        let offsets = parts.map(|([rows, cols], _)| {
            let from = at;
            at += Weights::padded_bytes(rows as u32, cols as u32).next_multiple_of(ALIGN);
            from
        });
        let page = Page::new(&self.b.gpu, "check", at, self.b.placement)?;
        let mut offsets = offsets.into_iter();
        let tensors = parts.map(|([rows, cols], _)| page.tensor(offsets.next().unwrap_or(0), rows as u32, cols as u32));
        for (tensor, (_, data)) in tensors.iter().zip(parts) {
            self.b.gpu.write(&page.buffer, tensor.offset_bytes, bytemuck::cast_slice(&tensor.pad(data)?))?;
        }
        page.submit_refresh(&self.b.gpu);
        Ok(tensors)
    }

    /// Gradients of two parameters, filled with NaN.
    pub(crate) fn gradients(&self, first: [usize; 2], second: [usize; 2]) -> Result<Gradients> {
        let bytes = |[rows, cols]: [usize; 2]| Weights::padded_bytes(rows as u32, cols as u32).next_multiple_of(ALIGN);
        let page = Page::new(&self.b.gpu, "gradients", bytes(first) + bytes(second), Placement::Buffer)?;
        let nan = vec![f32::NAN; page.buffer.size() as usize / 4];
        self.b.gpu.write(&page.buffer, 0, bytemuck::cast_slice(&nan))?;
        let tensor = |at, [rows, cols]: [usize; 2]| page.tensor(at, rows as u32, cols as u32);
        let parts = [tensor(0, first), tensor(bytes(first), second)];
        let target = Gradient::of(&page.buffer, &parts[0], Some(&parts[1]), false)?;
        Ok(Gradients { target, page, parts })
    }

    /// A buffer that holds `values`.
    pub(crate) fn buffer(&self, values: &[f32]) -> Result<Buffer> {
        self.b.gpu.upload("check", values)
    }

    /// A batch of tokens and targets [M].
    pub(crate) fn ring(&self, vocabulary: u32, tokens: &[u32], targets: &[u32]) -> Result<Ring> {
        let layout = BatchLayout { rows: tokens.len() as u32, vocabulary };
        let other = vec![vocabulary - 1; tokens.len()];
        let words = [layout.pack(&other, &other)?, layout.pack(tokens, targets)?].concat();
        let state = TrainState { slot: 1, ..TrainState::new(9) };
        let gpu = &self.b.gpu;
        Ok(Ring { layout, data: gpu.upload("ring", &words)?, state: gpu.upload("state", &[state])? })
    }

    /// Runs the recorded kernels and waits for them.
    pub(crate) async fn run(&mut self) -> Result<()> {
        let mut recorder = Recorder::new(&self.b.gpu);
        recorder.run(&self.b.take_program()).await?;
        recorder.finish().await
    }

    /// Reads a plane, without padding.
    pub(crate) async fn read(&self, plane: &Plane) -> Result<Vec<f32>> {
        plane.read(&self.b.gpu).await
    }

    /// Reads the first `len` floats of a buffer.
    pub(crate) async fn floats(&self, buffer: &Buffer, len: usize) -> Result<Vec<f32>> {
        self.b.gpu.read(buffer, 0, 4 * len as u64).await
    }

    /// Reads both gradients, without padding.
    pub(crate) async fn read_gradients(&self, gradients: &Gradients) -> Result<[Vec<f32>; 2]> {
        let all = self.floats(&gradients.page.buffer, gradients.page.buffer.size() as usize / 4).await?;
        Ok(gradients.parts.each_ref().map(|w| {
            let from = w.offset_bytes as usize / 4;
            w.unpad(&all[from..from + w.size_bytes() as usize / 4])
        }))
    }
}

impl Ring {
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { layout: self.layout, data: &self.data, slots: 2, state: &self.state, micro: 0 }
    }
}
