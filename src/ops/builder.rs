//! Builder of a program and its memory. Memory without a handle is reused by later operations.

use std::sync::Arc;

use crate::error::Result;
use crate::gpu::{Buffer, Call, Cost, Gpu, Placement, Plane, Pool, Program, Specialization, Tuning};

/// Collects dispatches in running order, and provides planes and buffers.
///
/// Operations make scratch memory, which keeps its values only while a handle to it lives during building. Make memory
/// that must last from one run of the program to the next with [`Plane::new`] or [`Gpu::storage`].
pub struct Builder {
    /// The device.
    pub gpu: Gpu,
    /// Storage of planes.
    pub placement: Placement,
    /// The program collected so far.
    pub program: Program,
    pool: Arc<Pool>,
}

impl Builder {
    /// A builder with planes stored as `placement` says.
    pub fn new(gpu: &Gpu, placement: Placement) -> Self {
        Self { gpu: gpu.clone(), placement, program: Program::default(), pool: Arc::default() }
    }

    /// Returns the program collected so far and starts an empty one, which reuses the memory.
    pub fn take_program(&mut self) -> Program {
        std::mem::take(&mut self.program)
    }

    /// A scratch plane of `rows` x `cols`. Its contents are undefined, except that the padding is zero.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub fn plane(&mut self, label: &str, rows: u32, cols: u32) -> Result<Plane> {
        self.pool.plane(&self.gpu, label, rows, cols, self.placement)
    }

    /// A scratch buffer of at least `bytes`. Its contents are undefined.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub fn scratch(&mut self, label: &str, bytes: u64) -> Result<Buffer> {
        self.pool.scratch(&self.gpu, label, bytes)
    }

    /// Adds a kernel of `groups` workgroups.
    ///
    /// # Errors
    /// As [`Gpu::dispatch`].
    pub(crate) fn run<C: Call>(&mut self, call: &C, special: &Specialization, groups: u64, cost: Cost) -> Result<()> {
        let dispatches = self.gpu.dispatch(call, special, groups, cost)?;
        self.program.dispatch(dispatches);
        Ok(())
    }

    /// The specialization for this builder's planes, without body and constants.
    pub(crate) fn special(&self) -> Specialization {
        Specialization::new(self.placement)
    }

    /// Tuning of kernels.
    pub(crate) fn tuning(&self) -> &Tuning {
        self.gpu.tuning()
    }
}
