//! The timed parts of an operation, and their operands.

use crate::bench::operand::Operand;
use crate::check::Verdict;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::gpu::Program;

/// One timed direction of a kernel.
pub(super) struct Part {
    pub(super) direction: &'static str,
    pub(super) program: Program,
    pub(super) verdicts: Vec<Verdict>,
    /// Operations, for a kernel limited by arithmetic.
    pub(super) flops: Option<f64>,
    pub(super) bytes: f64,
}

/// The directions of a kernel, and the objects that they use.
pub(super) struct Parts(pub(super) Vec<Part>, pub(super) Box<dyn std::any::Any>);

/// An input [rows, cols] that starts in a storage buffer.
pub(super) fn input(bench: &Bench, rows: usize, cols: usize, data: &[f32]) -> Result<Operand> {
    Operand::input(&bench.b.gpu, bench.b.placement, rows as u32, cols as u32, data)
}

/// An output [rows, cols] that ends in a storage buffer.
pub(super) fn output(bench: &Bench, rows: usize, cols: usize) -> Result<Operand> {
    Operand::output(&bench.b.gpu, bench.b.placement, rows as u32, cols as u32)
}

/// Runs a program once before it is timed.
pub(super) async fn run(bench: &mut Bench, program: &Program) -> Result<()> {
    bench.b.program = program.clone();
    bench.run().await
}
