//! AFT in every form, as run by `ops::aft::mix`: forward and gradient.

use super::shapes::shapes;
use super::work::flops;
use crate::apply::bias::DeviceBias;
use crate::apply::{Gradients, Outcome, Problem};
use crate::bench::describe::plan;
use crate::bench::measure::Measure;
use crate::bench::operand::{Operand, enclosed};
use crate::bench::options::Effort;
use crate::bench::prepared::{Prepared, Timed};
use crate::bench::result::Row;
use crate::bench::roofline::Ceiling;
use crate::bench::sampled::{self, Sample};
use crate::check::{self, judge};
use crate::error::Result;
use crate::form::{Bias, SizedForm};
use crate::gpu::{AdapterClass, Placement, Plane, Program};
use crate::ops::Builder;
use crate::ops::aft::mix::{self, Mix, Mixed};
use crate::ops::aft::{heads, qkv_cols};
use crate::reference::Dims;

/// A form of AFT with its shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Aft {
    form: SizedForm,
    dims: Dims,
    heads: usize,
    causal: bool,
}

/// Rank of factorised biases.
const RANK: usize = 64;
/// Window of AFT-local, and kernel size of AFT-conv over a sequence.
const WINDOW: usize = 32;
/// Side of the kernel on an image grid.
const SIDE: usize = 7;
/// Heads of AFT-conv.
const HEADS: usize = 32;

/// Every form, causal or not: T varies at D = 256, and D varies at T = 1,024.
pub(super) fn all(class: AdapterClass, effort: Effort) -> Vec<Aft> {
    let (b, shapes) = shapes(class, effort);
    let mut all = Vec::new();
    for &[t, d] in shapes {
        for causal in [true, false] {
            // A non-causal kernel is symmetric and so has odd size.
            let line = if causal { WINDOW } else { WINDOW + 1 };
            for form in [
                SizedForm::Simple,
                SizedForm::Full(Bias::Dense),
                SizedForm::Full(Bias::Factors(RANK)),
                SizedForm::Local(WINDOW, Bias::Dense),
                SizedForm::Local(WINDOW, Bias::Factors(RANK)),
                SizedForm::Conv1d(line),
                SizedForm::Conv2d(SIDE, columns(t)),
            ] {
                let heads = if form.is_conv() { HEADS } else { 1 };
                all.push(Aft { form, dims: Dims { b, t, d }, heads, causal });
            }
        }
    }
    all
}

/// Columns of an image grid with `t` positions: square, or twice as wide as high.
fn columns(t: usize) -> usize {
    1 << (t.ilog2().div_ceil(2))
}

impl Aft {
    pub(super) fn row(&self) -> Row {
        let Dims { b, t, d } = self.dims;
        Row {
            op: "aft".into(),
            form: Some(self.form.to_string()),
            B: Some(b as u32),
            T: Some(t as u32),
            D: Some(d as u32),
            s: self.form.window().map(|s| s as u32),
            H: self.form.is_conv().then_some(self.heads as u32),
            causal: Some(self.causal),
            ..Row::default()
        }
    }

    /// Operations of a forward pass; none for AFT-simple, which is measured by bytes.
    fn flops(&self) -> Option<f64> {
        flops(self.form, self.heads, self.dims, self.causal)
    }

    /// Bytes that a pass must read and write once. Forward: q, k, v, y and the biases. The gradient also reads dy, and writes the
    /// gradients of all inputs instead of y.
    fn bytes(&self, gradient: bool) -> f64 {
        let Dims { b, t, d } = self.dims;
        let keys = if self.form.is_conv() { self.heads } else { d };
        let read = b * t * (2 * d + keys);
        let w: usize = self.form.bias_shapes(t, self.heads, self.causal).iter().map(|[rows, cols]| rows * cols).sum();
        let output = b * t * d;
        4.0 * if gradient { 2 * (read + w) + output } else { read + w + output } as f64
    }

    pub(super) async fn prepare(&self, measure: &Measure<'_>) -> Result<Prepared> {
        let gpu = &measure.gpu;
        let mut problem = check::problem(self.form, self.dims, self.heads, self.causal);
        let placement = problem.placement(gpu);
        let sample = Sample::of(&problem);
        let dense = problem.dy.clone().unwrap_or_default();
        problem.dy = Some(sample.masked(&problem, &dense));
        let layer = gpu.checked("preparing a layer", || Layer::new(&problem, measure, placement)).await?;

        measure.run(&layer.forward).await?;
        let y = layer.y.plane.read(gpu).await?;
        measure.run(&layer.saving).await?;
        measure.run(&layer.backward).await?;
        let dx = layer.dx.plane.read(gpu).await?;
        let [dq, dk, dv] = layer.parts(&problem, &dx);
        let dw = layer.bias.gradients(&problem, gpu).await?;
        let small = sample.problem(&problem);
        let outcome = sample.outcome(&problem, &Outcome { y, gradients: Some(Gradients { dq, dk, dv, dw }) });
        let verdicts = judge(&small, &small.truth(), &outcome, measure.exp);
        let worst = |is_y: bool| {
            verdicts.iter().filter(|v| (v.output == "y") == is_y).fold(0.0, |worst: f64, v| worst.max(v.ratio))
        };
        // Gradients in all channels, so that the time is that of normal use.
        layer.dy.write(gpu, &dense)?;

        let ceiling = if self.flops().is_some() { Ceiling::Fma } else { Ceiling::Reads(placement) };
        let timed = |gradient: bool| {
            let row = Row {
                direction: if gradient { "gradient" } else { "forward" }.into(),
                flops: self.flops().map(|flops| if gradient { 2.0 * flops } else { flops }),
                bytes: Some(self.bytes(gradient)),
                peak_bytes: Some(layer.bytes[usize::from(gradient)]),
                plan: Some(plan(gpu, placement)),
                ..self.row()
            };
            let program = if gradient { &layer.backward } else { &layer.forward }.clone();
            Timed { row, program, ceiling, error: worst(!gradient) }
        };
        Ok(Prepared { timed: vec![timed(false), timed(true)], _held: Box::new(layer) })
    }
}

/// A layer on the device: the timed programs `forward` and `backward`, and `saving`, the forward pass that prepares the
/// gradient.
struct Layer {
    forward: Program,
    saving: Program,
    backward: Program,
    y: Operand,
    dy: Operand,
    dx: Operand,
    bias: DeviceBias,
    /// Device memory of the forward pass, and of forward and gradient.
    bytes: [u64; 2],
    _held: (Operand, Mixed, Builder, Builder),
}

impl Layer {
    fn new(problem: &Problem, measure: &Measure<'_>, placement: Placement) -> Result<Self> {
        let gpu = &measure.gpu;
        let before = gpu.memory().live_bytes;
        let dims = problem.dims;
        let [batch, time, channels, head_count] = [dims.b, dims.t, dims.d, problem.heads].map(|n| n as u32);
        let Problem { causal, gated, .. } = *problem;
        let mix = Mix { batch, time, channels, causal, gated, mask: None };
        let rows = batch * time;
        let conv = problem.form.is_conv();
        let cols = if conv { heads::cols(channels, head_count) } else { qkv_cols(channels) };
        let x = Operand::input(gpu, placement, rows, cols, &sampled::packed(problem))?;
        let bias = DeviceBias::new(problem, gpu, placement, true)?;
        let biases = bias.biases(problem);
        let outside = |operands: &[&Operand]| operands.iter().map(|o| o.outside_bytes()).sum::<u64>();

        // Saves nothing for a gradient.
        let mut f = Builder::new(gpu, placement);
        let spread = |b: &mut Builder| -> Result<Plane> {
            if !conv {
                return Ok(x.plane.clone());
            }
            let qkv = b.plane("qkv", rows, qkv_cols(channels))?;
            heads::spread(b, channels, head_count, &x.plane, &qkv)?;
            Ok(qkv)
        };
        f.program.extend(bias.refresh());
        let qkv = spread(&mut f)?;
        let out = Mixed::new(&mut f, &mix, false)?;
        out.y.fill(gpu, f32::NAN)?;
        mix::forward(&mut f, &mix, &biases, &qkv, &out)?;
        let y = Operand::of(gpu, out.y.clone())?;
        let forward = enclosed(&[&x], &f.take_program(), &[&y]);
        // The forward pass does not need the gradient of the biases.
        let forward_bytes = gpu.memory().live_bytes - before - outside(&[&x, &y]) - bias.gradient_bytes();

        let mut g = Builder::new(gpu, placement);
        let begun = gpu.memory().live_bytes;
        let qkv = spread(&mut g)?;
        let out = Mixed::new(&mut g, &mix, true)?;
        mix::forward(&mut g, &mix, &biases, &qkv, &out)?;
        let saving = enclosed(&[&x], &g.take_program(), &[]);
        let dy = Operand::input(gpu, placement, rows, channels, problem.dy.as_deref().unwrap_or_default())?;
        let dx = Operand::output(gpu, placement, rows, cols)?;
        g.program.extend(bias.refresh());
        if conv {
            // The timed gradient, too, starts from the layer's inputs.
            heads::spread(&mut g, channels, head_count, &x.plane, &qkv)?;
        }
        let dqkv = if conv { g.plane("dqkv", rows, qkv_cols(channels))? } else { dx.plane.clone() };
        let args = mix::Backward { qkv: &qkv, out: &out, dy: &dy.plane, dqkv: &dqkv, dbiases: bias.target() };
        mix::backward(&mut g, &mix, &biases, &args)?;
        if conv {
            heads::gather(&mut g, channels, head_count, &dqkv, &dx.plane)?;
        }
        let backward = enclosed(&[&x, &dy], &g.take_program(), &[&dx]);
        let held = x.plane.bytes() + bias.bytes() + bias.gradient_bytes();
        let gradient_bytes = gpu.memory().live_bytes - begun - outside(&[&dy, &dx]) + held;
        let bytes = [forward_bytes, gradient_bytes];
        Ok(Self { forward, saving, backward, y, dy, dx, bias, bytes, _held: (x, out, f, g) })
    }

    /// Splits the gradient of the projection into those of q, k and v.
    fn parts(&self, problem: &Problem, dx: &[f32]) -> [Vec<f32>; 3] {
        let (d, padded, keys) = (problem.dims.d, problem.dims.d.next_multiple_of(4), problem.key_dims().d);
        let width = self.dx.plane.cols as usize;
        let part = |from: usize, cols: usize| {
            dx.chunks(width).flat_map(|row| &row[from..from + cols]).copied().collect::<Vec<_>>()
        };
        if problem.form.is_conv() {
            [part(0, d), part(2 * padded, keys), part(padded, d)]
        } else {
            [part(0, d), part(padded, d), part(2 * padded, d)]
        }
    }
}
