//! A builder collects a program and the memory that it needs; what an operation is done with is used again by later ones.

use crate::error::Result;
use crate::gpu::{AdapterClass, Buffer, Gpu, Placement, Plane, Program};

/// Collects dispatches, in the order in which they will run, and hands out planes and buffers.
pub struct Builder {
    /// The device.
    pub gpu: Gpu,
    /// Where planes live.
    pub placement: Placement,
    /// What was collected so far.
    pub program: Program,
    free_planes: Vec<Plane>,
    free_buffers: Vec<Buffer>,
}

impl Builder {
    /// A builder for planes that live where `placement` says.
    pub fn new(gpu: &Gpu, placement: Placement) -> Self {
        let (free_planes, free_buffers) = Default::default();
        Self { gpu: gpu.clone(), placement, program: Program::default(), free_planes, free_buffers }
    }

    /// Takes the program collected so far and starts an empty one; memory given back stays at hand.
    pub fn take_program(&mut self) -> Program {
        std::mem::take(&mut self.program)
    }

    /// A plane of `rows` x `cols`: one that was given back, or a new one. What it holds is undefined.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub fn plane(&mut self, label: &str, rows: u32, cols: u32) -> Result<Plane> {
        // Equal columns: the padding of a plane that is used again must stay zero.
        match self.free_planes.iter().position(|p| p.rows == rows && p.cols == cols) {
            Some(i) => Ok(self.free_planes.swap_remove(i)),
            None => Plane::new(&self.gpu, label, rows, cols, self.placement),
        }
    }

    /// Gives a plane back: operations added from now on may overwrite it.
    pub fn recycle(&mut self, plane: Plane) {
        self.free_planes.push(plane);
    }

    /// A scratch buffer of at least `bytes`. What it holds is undefined.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub fn scratch(&mut self, label: &str, bytes: u64) -> Result<Buffer> {
        let fits = |b: &Buffer| (bytes..=4 * bytes).contains(&b.size());
        match self.free_buffers.iter().position(fits) {
            Some(i) => Ok(self.free_buffers.swap_remove(i)),
            None => self.gpu.storage(label, bytes),
        }
    }

    /// Gives a scratch buffer back: operations added from now on may overwrite it.
    pub fn recycle_buffer(&mut self, buffer: Buffer) {
        self.free_buffers.push(buffer);
    }

    /// Whether the adapter runs shaders on a few processor cores: fewer, longer threads are better there.
    pub(crate) fn few_threads(&self) -> bool {
        self.gpu.planned_as() == AdapterClass::Software
    }

    /// What is planned for the adapter, of a choice for processors and one for GPUs.
    pub(crate) fn planned<T>(&self, [processor, gpu]: [T; 2]) -> T {
        if self.few_threads() { processor } else { gpu }
    }
}
