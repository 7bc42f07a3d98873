//! What an operation is timed in, and operands for it.

use crate::bench::operand::Operand;
use crate::check::Verdict;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::gpu::Program;

/// What a kernel is timed in: one direction of it.
pub(super) struct Part {
    pub(super) direction: &'static str,
    pub(super) program: Program,
    pub(super) verdicts: Vec<Verdict>,
    /// Of a kernel that is bound by arithmetic.
    pub(super) flops: Option<f64>,
    pub(super) bytes: f64,
}

/// The directions of a kernel, and what they run on.
pub(super) struct Parts(pub(super) Vec<Part>, pub(super) Box<dyn std::any::Any>);

/// An input [rows, cols] that begins in a storage buffer.
pub(super) fn input(bench: &Bench, rows: usize, cols: usize, data: &[f32]) -> Result<Operand> {
    Operand::input(&bench.b.gpu, bench.b.placement, rows as u32, cols as u32, data)
}

/// An output [rows, cols] that ends in one.
pub(super) fn output(bench: &Bench, rows: usize, cols: usize) -> Result<Operand> {
    Operand::output(&bench.b.gpu, bench.b.placement, rows as u32, cols as u32)
}

/// Runs a program that is going to be timed, once.
pub(super) async fn run(bench: &mut Bench, program: &Program) -> Result<()> {
    bench.b.program = program.clone();
    bench.run().await
}
