//! A builder collects a program and the memory that it needs; memory without a handle is used again by later operations.

use std::sync::Arc;

use crate::error::Result;
use crate::gpu::{Buffer, Call, Cost, Gpu, Placement, Plane, Pool, Program, Specialization, Tuning};

/// Collects dispatches, in the order in which they will run, and hands out planes and buffers.
///
/// What operations make is scratch memory: it holds its values for as long as a handle of it lives while operations are
/// added. What has to last from one run of the program to the next is made with [`Plane::new`] or [`Gpu::storage`].
pub struct Builder {
    /// The device.
    pub gpu: Gpu,
    /// Where planes live.
    pub placement: Placement,
    /// What was collected so far.
    pub program: Program,
    pool: Arc<Pool>,
}

impl Builder {
    /// A builder for planes that live where `placement` says.
    pub fn new(gpu: &Gpu, placement: Placement) -> Self {
        Self { gpu: gpu.clone(), placement, program: Program::default(), pool: Arc::default() }
    }

    /// Takes the program collected so far and starts an empty one, which uses the same memory again.
    pub fn take_program(&mut self) -> Program {
        std::mem::take(&mut self.program)
    }

    /// A plane of `rows` x `cols`. What it holds is undefined, but for its padding of zeros.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub fn plane(&mut self, label: &str, rows: u32, cols: u32) -> Result<Plane> {
        self.pool.plane(&self.gpu, label, rows, cols, self.placement)
    }

    /// A scratch buffer of at least `bytes`. What it holds is undefined.
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

    /// For planes where this builder's live; neither body nor constants.
    pub(crate) fn special(&self) -> Specialization {
        Specialization::new(self.placement)
    }

    /// How kernels are shaped.
    pub(crate) fn tuning(&self) -> &Tuning {
        self.gpu.tuning()
    }
}
