//! Multi-head softmax attention, as run by `ops::nn::attention`: forward and gradient.

use super::shapes::shapes;
use super::work::flops;
use crate::bench::describe::plan;
use crate::bench::measure::Measure;
use crate::bench::operand::{Operand, enclosed};
use crate::bench::options::Effort;
use crate::bench::prepared::{Prepared, Timed};
use crate::bench::result::Row;
use crate::bench::roofline::Ceiling;
use crate::check::AttentionProblem;
use crate::error::Result;
use crate::form::{Bias, SizedForm};
use crate::gpu::{AdapterClass, Placement, Program};
use crate::ops::Builder;
use crate::ops::aft::qkv_cols;
use crate::ops::nn::attention::{Attended, Attention, Backward, backward, forward};
use crate::reference::Dims;

/// Attention with its shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct MultiHead {
    dims: Dims,
    causal: bool,
}

/// Channels in a head, D / H, as in the base transformer.
pub(super) const HEAD: usize = 64;
/// Maximum T at which two heads are sampled. Beyond it one is, because the reference takes time T T D / H for each head.
const MANY: usize = 1024;

/// The same shapes as for AFT, causal or not.
pub(super) fn all(class: AdapterClass, effort: Effort) -> Vec<MultiHead> {
    let (b, shapes) = shapes(class, effort);
    let both = |&[t, d]: &[usize; 2]| [true, false].map(|causal| MultiHead { dims: Dims { b, t, d }, causal });
    shapes.iter().flat_map(both).collect()
}

impl MultiHead {
    fn heads(&self) -> usize {
        self.dims.d / HEAD
    }

    pub(super) fn row(&self) -> Row {
        let [b, t, d, heads] = [self.dims.b, self.dims.t, self.dims.d, self.heads()].map(|n| n as u32);
        let causal = Some(self.causal);
        Row { op: "attention".into(), B: Some(b), T: Some(t), D: Some(d), H: Some(heads), causal, ..Row::default() }
    }

    pub(super) async fn prepare(&self, measure: &Measure<'_>) -> Result<Prepared> {
        let gpu = &measure.gpu;
        let placement = gpu.placement((self.dims.b * self.dims.t) as u32);
        let problem = AttentionProblem::normal(self.dims, self.heads(), self.causal);
        let layer = gpu.checked("preparing attention", || Layer::new(&problem, measure, placement)).await?;
        measure.run(&layer.forward).await?;
        let y = layer.y.plane.read(gpu).await?;
        measure.run(&layer.saving).await?;
        measure.run(&layer.backward).await?;
        let [dq, dk, dv] = problem.unpacked(&layer.dx.plane.read(gpu).await?);

        let sample = Sample::of(&problem);
        let small = sample.problem(&problem);
        let got = [y, dq, dk, dv].map(|all| sample.taken(&problem, &all));
        let verdicts = small.judge(&small.truth(), &got, measure.exp);
        let timed = |gradient: bool| {
            let [b, t, d] = [self.dims.b, self.dims.t, self.dims.d].map(|n| n as f64);
            let flops = flops(SizedForm::Full(Bias::Dense), 1, self.dims, self.causal);
            // Forward: q, k, v and y. Gradient: q, k, v, dy and three gradients.
            let planes = if gradient { 7.0 } else { 4.0 };
            let row = Row {
                direction: if gradient { "gradient" } else { "forward" }.into(),
                flops: flops.map(|flops| if gradient { 2.0 * flops } else { flops }),
                bytes: Some(planes * 4.0 * b * t * d),
                peak_bytes: Some(layer.bytes[usize::from(gradient)]),
                plan: Some(plan(gpu, placement)),
                ..self.row()
            };
            let program = if gradient { &layer.backward } else { &layer.forward }.clone();
            let of_it = verdicts.iter().filter(|verdict| (verdict.output == "y") != gradient);
            let error = of_it.fold(0.0, |worst: f64, verdict| worst.max(verdict.ratio));
            Timed { row, program, ceiling: Ceiling::Fma, error }
        };
        Ok(Prepared { timed: vec![timed(false), timed(true)], _held: Box::new(layer) })
    }
}

/// A sample of heads of the last sequence. Each head is independent.
struct Sample {
    sequence: usize,
    heads: Vec<usize>,
}

impl Sample {
    fn of(problem: &AttentionProblem) -> Self {
        let last = problem.heads - 1;
        let mut heads = if problem.dims.t <= MANY { vec![0, last] } else { vec![last] };
        heads.dedup();
        Self { sequence: problem.dims.b - 1, heads }
    }

    /// The sample as a separate problem.
    fn problem(&self, problem: &AttentionProblem) -> AttentionProblem {
        let size = problem.dims.d / problem.heads;
        let dims = Dims { b: 1, t: problem.dims.t, d: self.heads.len() * size };
        let [q, k, v, dy] = [&problem.q, &problem.k, &problem.v, &problem.dy].map(|all| self.taken(problem, all));
        AttentionProblem { dims, heads: self.heads.len(), causal: problem.causal, q, k, v, dy, mask: None }
    }

    /// The sample's part of values [B, T, D].
    fn taken(&self, problem: &AttentionProblem, all: &[f32]) -> Vec<f32> {
        let Dims { t, d, .. } = problem.dims;
        let size = d / problem.heads;
        let rows = all[self.sequence * t * d..][..t * d].chunks(d);
        rows.flat_map(|row| self.heads.iter().flat_map(move |head| &row[head * size..][..size])).copied().collect()
    }
}

/// Attention on the device: the timed programs `forward` and `backward`, and `saving`, the forward pass that prepares the
/// gradient.
struct Layer {
    forward: Program,
    saving: Program,
    backward: Program,
    y: Operand,
    dx: Operand,
    /// Device memory of the forward pass, and of forward and gradient.
    bytes: [u64; 2],
    _held: (Operand, Operand, Attended, Builder, Builder),
}

impl Layer {
    fn new(problem: &AttentionProblem, measure: &Measure<'_>, placement: Placement) -> Result<Self> {
        let gpu = &measure.gpu;
        let before = gpu.memory().live_bytes;
        let dims = problem.dims;
        let [batch, time, channels, heads] = [dims.b, dims.t, dims.d, problem.heads].map(|n| n as u32);
        let attention = Attention { batch, time, channels, heads, causal: problem.causal, mask: None };
        let (rows, cols) = (batch * time, qkv_cols(channels));
        let outside = |operands: &[&Operand]| operands.iter().map(|o| o.outside_bytes()).sum::<u64>();

        let mut f = Builder::new(gpu, placement);
        let x = Operand::input(gpu, placement, rows, cols, &problem.packed())?;
        let out = Attended::new(&mut f, &attention)?;
        out.y.fill(gpu, f32::NAN)?;
        forward(&mut f, &attention, &x.plane, &out)?;
        let y = Operand::of(gpu, out.y.clone())?;
        let ahead = enclosed(&[&x], &f.take_program(), &[&y]);
        let forward_bytes = gpu.memory().live_bytes - before - outside(&[&x, &y]);

        let mut g = Builder::new(gpu, placement);
        let begun = gpu.memory().live_bytes;
        let out = Attended::new(&mut g, &attention)?;
        forward(&mut g, &attention, &x.plane, &out)?;
        let saving = enclosed(&[&x], &g.take_program(), &[]);
        let dy = Operand::input(gpu, placement, rows, channels, &problem.dy)?;
        let dx = Operand::output(gpu, placement, rows, cols)?;
        let args = Backward { qkv: &x.plane, out: &out, dy: &dy.plane, dqkv: &dx.plane };
        backward(&mut g, &attention, &args)?;
        let back = enclosed(&[&x, &dy], &g.take_program(), &[&dx]);
        let gradient_bytes = gpu.memory().live_bytes - begun - outside(&[&dy, &dx]) + x.plane.bytes();
        let bytes = [forward_bytes, gradient_bytes];
        Ok(Self { forward: ahead, saving, backward: back, y, dx, bytes, _held: (x, dy, out, f, g) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole result, restricted to the sample, equals the result of the sample alone.
    #[test]
    fn the_sample_of_the_truth_is_the_truth_of_the_sample() {
        for causal in [true, false] {
            let whole = AttentionProblem::normal(Dims { b: 2, t: 9, d: 12 }, 3, causal);
            let sample = Sample::of(&whole);
            let small = sample.problem(&whole);
            assert_eq!((small.dims, small.heads), (Dims { b: 1, t: 9, d: 8 }, 2));
            let narrow = whole.truth().map(|all| all.iter().map(|&v| v as f32).collect::<Vec<_>>());
            let got = narrow.map(|all| sample.taken(&whole, &all));
            let exact = crate::check::ExpError { base: 0.0, slope: 0.0 };
            assert!(small.judge(&small.truth(), &got, exact).iter().all(|verdict| verdict.ratio <= 1.0));
        }
    }
}
