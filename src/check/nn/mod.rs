//! The kernels around AFT, each at a shape or two against its reference. Tolerances are those of the kernel tests, with what the
//! adapter's exponential adds where there is one.

mod adamw;
pub(super) mod attention;
mod cross_entropy;
mod cursor;
mod dropout;
mod embedding;
mod gradient_norm;
mod kernel_norm;
mod layer_norm;
mod linear;
mod sample;
mod stream_embedding;
mod train_state;

use super::exp::ExpError;
use super::judge::Verdict;
use super::report::{Line, placements};
use super::workbench::Bench;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::random::below;

/// A kernel around AFT, with its gradients.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    KernelNorm,
    Linear,
    LayerNorm,
    Embedding,
    CrossEntropy,
    Dropout,
    GradientNorm,
    TrainState,
    AdamW,
    Cursor,
    StreamEmbedding,
    Sample,
}

/// All of them.
pub(super) const KERNELS: [Op; 12] = [
    Op::KernelNorm,
    Op::Linear,
    Op::LayerNorm,
    Op::Embedding,
    Op::CrossEntropy,
    Op::Dropout,
    Op::GradientNorm,
    Op::TrainState,
    Op::AdamW,
    Op::Cursor,
    Op::StreamEmbedding,
    Op::Sample,
];

/// The rounding of an f32 near 1, times 2.
pub(crate) const EPS: f64 = f32::EPSILON as f64;

impl Op {
    /// Tries it in both placements.
    pub(super) async fn check(self, gpu: &Gpu, exp: ExpError) -> Result<Line> {
        let mut line = Line::new(self.name());
        for placement in placements(gpu) {
            let mut bench = Bench::new(gpu, placement, exp);
            for (case, verdicts) in self.cases(&mut bench).await? {
                line.add(&format!("{case}, {placement:?}"), &verdicts);
            }
        }
        Ok(line)
    }

    fn name(self) -> &'static str {
        match self {
            Self::KernelNorm => "re-parameterised kernel",
            Self::Linear => "linear",
            Self::LayerNorm => "layer_norm",
            Self::Embedding => "embedding",
            Self::CrossEntropy => "cross_entropy",
            Self::Dropout => "dropout",
            Self::GradientNorm => "gradient_norm",
            Self::TrainState => "train_state",
            Self::AdamW => "adamw",
            Self::Cursor => "cursor",
            Self::StreamEmbedding => "stream_embedding",
            Self::Sample => "sample",
        }
    }

    async fn cases(self, bench: &mut Bench) -> Result<Vec<Case>> {
        match self {
            Self::KernelNorm => kernel_norm::cases(bench).await,
            Self::Linear => linear::cases(bench).await,
            Self::LayerNorm => layer_norm::cases(bench).await,
            Self::Embedding => embedding::cases(bench).await,
            Self::CrossEntropy => cross_entropy::cases(bench).await,
            Self::Dropout => dropout::cases(bench).await,
            Self::GradientNorm => gradient_norm::cases(bench).await,
            Self::TrainState => train_state::cases(bench).await,
            Self::AdamW => adamw::cases(bench).await,
            Self::Cursor => cursor::cases(bench).await,
            Self::StreamEmbedding => stream_embedding::cases(bench).await,
            Self::Sample => sample::cases(bench).await,
        }
    }
}

/// A case by name, and how it went.
type Case = (String, Vec<Verdict>);

/// The verdict on an output whose elements may all be off by the same.
pub(crate) fn verdict(output: &'static str, got: &[f32], truth: &[f64], tolerance: f64) -> Verdict {
    Verdict::of(output, got, truth, largest(truth), |_| tolerance)
}

/// The same numbers, exactly.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    crate::reference::compare::widen(values)
}

/// The largest magnitude.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// `len` numbers below `bound`.
pub(crate) fn whole(stream: u32, len: usize, bound: u32) -> Vec<u32> {
    (0..len).map(|i| below([stream, 0x7768_6f6c, i as u32, 0], bound.into()) as u32).collect()
}
