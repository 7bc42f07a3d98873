//! The other operations by name: D = 512, MLPs of 4 D, 256 tokens.

use super::part::{Part, Parts};
use super::{adamw, cross_entropy, embedding, layer_norm, linear};
use crate::bench::describe::plan;
use crate::bench::measure::Measure;
use crate::bench::options::Effort;
use crate::bench::prepared::{Prepared, Timed};
use crate::bench::result::Row;
use crate::bench::roofline::Ceiling;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::gpu::{AdapterClass, Placement};

/// Channels of the model, D.
const CHANNELS: usize = 512;
/// Width of an MLP's hidden layer.
const HIDDEN: usize = 4 * CHANNELS;
/// Number of tokens, V.
const VOCABULARY: usize = 256;

/// An operation of `ops::nn` with its shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Op {
    kind: Kind,
    /// Sequences, B.
    batch: usize,
    /// Positions, T.
    time: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Input and output channels.
    Linear([usize; 2]),
    LayerNorm,
    CrossEntropy,
    Embedding,
    /// AdamW on the parameters of an MLP.
    AdamW,
}

/// All operations. Quick effort has only the most expensive linear layer.
pub(in crate::bench::cases) fn all(class: AdapterClass, effort: Effort) -> Vec<Op> {
    let (batch, time) = if class == AdapterClass::Software { (1, 1024) } else { (8, 1024) };
    let mut kinds = vec![Kind::Linear([CHANNELS, HIDDEN])];
    if effort == Effort::Full {
        let others = [[CHANNELS, 3 * CHANNELS], [CHANNELS, CHANNELS], [HIDDEN, CHANNELS], [CHANNELS, VOCABULARY]];
        kinds.extend(others.map(Kind::Linear));
    }
    kinds.extend([Kind::LayerNorm, Kind::CrossEntropy, Kind::Embedding, Kind::AdamW]);
    kinds.into_iter().map(|kind| Op { kind, batch, time }).collect()
}

impl Op {
    pub(in crate::bench::cases) fn row(&self) -> Row {
        let (op, form, channels) = match self.kind {
            Kind::Linear([k, n]) => ("linear", Some(format!("{k} x {n}")), k),
            Kind::LayerNorm => ("layer_norm", None, CHANNELS),
            Kind::CrossEntropy => ("cross_entropy", None, VOCABULARY),
            Kind::Embedding => ("embedding", None, CHANNELS),
            Kind::AdamW => ("adamw", Some(format!("{CHANNELS} x {HIDDEN}")), CHANNELS),
        };
        let sequences = self.kind != Kind::AdamW;
        Row {
            op: op.into(),
            form,
            B: sequences.then_some(self.batch as u32),
            T: sequences.then_some(self.time as u32),
            D: Some(channels as u32),
            ..Row::default()
        }
    }

    pub(in crate::bench::cases) async fn prepare(&self, measure: &Measure<'_>) -> Result<Prepared> {
        let rows = self.batch * self.time;
        let placement = measure.gpu.placement(rows as u32);
        let mut bench = Bench::new(&measure.gpu, placement, measure.exp);
        let Parts(parts, held) = match self.kind {
            Kind::Linear([k, n]) => linear::prepare(&mut bench, rows, k, n).await?,
            Kind::LayerNorm => layer_norm::prepare(&mut bench, rows, CHANNELS).await?,
            Kind::CrossEntropy => cross_entropy::prepare(&mut bench, rows, VOCABULARY).await?,
            Kind::Embedding => embedding::prepare(&mut bench, self.batch, self.time, CHANNELS, VOCABULARY).await?,
            Kind::AdamW => adamw::prepare(&mut bench, CHANNELS * HIDDEN).await?,
        };
        // Parameters and moments are in buffers under every plan.
        let operands = if self.kind == Kind::AdamW { Placement::Buffer } else { placement };
        let timed = parts.into_iter().map(|part| {
            let Part { direction, program, verdicts, flops, bytes } = part;
            let row = Row {
                direction: direction.into(),
                flops,
                bytes: Some(bytes),
                plan: Some(plan(&measure.gpu, operands)),
                ..self.row()
            };
            let ceiling = if flops.is_some() { Ceiling::Fma } else { Ceiling::Reads(operands) };
            let error = verdicts.iter().fold(0.0, |worst: f64, verdict| worst.max(verdict.ratio));
            Timed { row, program, ceiling, error }
        });
        Ok(Prepared { timed: timed.collect(), _held: Box::new((held, bench.b)) })
    }
}
