//! The other operations by name, with their cases.

use super::compare::Case;
use super::{
    adamw, cross_entropy, cursor, dropout, embedding, gradient_norm, kernel_norm, layer_norm, linear, sample,
    stream_embedding, train_state,
};
use crate::check::exp::ExpError;
use crate::check::line::Line;
use crate::check::workbench::{Bench, placements};
use crate::error::Result;
use crate::gpu::Gpu;

/// An operation of a model, with its gradients.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) enum Op {
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

/// All operations.
pub(in crate::check) const OPS: [Op; 12] = [
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

impl Op {
    /// Checks the operation with planes in buffers and in textures.
    pub(in crate::check) async fn check(self, gpu: &Gpu, exp: ExpError) -> Result<Line> {
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
