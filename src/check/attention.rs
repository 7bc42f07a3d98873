//! Test problems of multi-head softmax attention, and errors of their results in units of the tolerance.

use super::cases::{Values, normal};
use super::exp::ExpError;
use super::judge::Verdict;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Placement, Plane, Recorder};
use crate::ops::Builder;
use crate::ops::aft::qkv_cols;
use crate::ops::nn::attention::{Attended, Attention, Backward, backward, forward};
use crate::reference::Dims;
use crate::reference::compare::widen;
use crate::reference::nn::attention as reference;

/// An attention layer with gradients, on host data.
#[derive(Debug, Clone)]
pub struct AttentionProblem {
    /// B, T and D.
    pub dims: Dims,
    /// Heads, H.
    pub heads: usize,
    /// Whether a row reads only keys up to its own position.
    pub causal: bool,
    /// Queries [B, T, D].
    pub q: Vec<f32>,
    /// Keys [B, T, D].
    pub k: Vec<f32>,
    /// Values [B, T, D].
    pub v: Vec<f32>,
    /// Gradient of y [B, T, D].
    pub dy: Vec<f32>,
    /// Mask [B, T]: true where there is a key.
    pub mask: Option<Vec<bool>>,
}

/// y, dq, dk and dv, all [B, T, D].
pub type AttentionOutcome<F> = [Vec<F>; 4];

impl AttentionProblem {
    /// A problem with standard normal values.
    pub fn normal(dims: Dims, heads: usize, causal: bool) -> Self {
        let [q, k, v, dy] = [1, 2, 3, 4].map(|stream| normal(stream, dims.size()));
        Self { dims, heads, causal, q, k, v, dy, mask: None }
    }

    /// Replaces the values by those of a family. Scores, up to 1e4, take the role of AFT's keys and biases.
    pub fn with(mut self, values: Values) -> Self {
        let Dims { t, d, .. } = self.dims;
        let root = (d as f32 / self.heads as f32).sqrt();
        let position = |i: usize| i / d % t;
        let alternate = |i: usize, size: f32| if position(i) % 2 == 0 { size } else { -size };
        match values {
            Values::Normal => {}
            Values::Wide => self.q.iter_mut().for_each(|q| *q *= 20.0),
            Values::Ramp => {
                self.q.fill(1.0);
                self.k.iter_mut().enumerate().for_each(|(i, k)| *k += 2.0 * position(i) as f32 / root);
            }
            Values::Huge => {
                self.k.iter_mut().enumerate().filter(|(i, _)| position(*i) == t / 2).for_each(|(_, k)| *k = 1e4 / root);
            }
            Values::Opposed => {
                self.q.iter_mut().enumerate().for_each(|(i, q)| *q = alternate(i, 100.0));
                self.k.iter_mut().enumerate().for_each(|(i, k)| *k = alternate(i, 100.0 / root));
            }
            Values::Offset => self.v.iter_mut().for_each(|v| *v += 1000.0),
            Values::Constant => {
                self.k.fill(-0.3);
                self.v.fill(0.7);
            }
            Values::Tiny => {
                self.k.iter_mut().for_each(|k| *k *= 1e-40);
                self.v.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 3 == 0 { -0.0 } else { *v * 1e-9 });
            }
        }
        self
    }

    /// Masks the first and every third key, and fills the masked keys and values with poison.
    pub fn masked(mut self) -> Self {
        let Dims { b, t, d } = self.dims;
        let mask: Vec<bool> = (0..b * t).map(|i| i % 3 != 0).collect();
        let taken = |i: usize| !mask[i / d];
        self.k.iter_mut().enumerate().filter(|(i, _)| taken(*i)).for_each(|(_, k)| *k = f32::NAN);
        self.v.iter_mut().enumerate().filter(|(i, _)| taken(*i)).for_each(|(_, v)| *v = f32::NAN);
        self.mask = Some(mask);
        self
    }

    fn reference(&self) -> reference::Attention<'_> {
        reference::Attention { dims: self.dims, heads: self.heads, causal: self.causal, mask: self.mask.as_deref() }
    }

    /// The reference result.
    pub fn truth(&self) -> AttentionOutcome<f64> {
        let [q, k, v, dy] = [&self.q, &self.k, &self.v, &self.dy].map(|values| widen(values));
        let y = reference::forward(&self.reference(), &q, &k, &v).y;
        let reference::Gradient { dq, dk, dv } = reference::gradient(&self.reference(), &q, &k, &v, &dy);
        [y, dq, dk, dv]
    }

    /// Runs the problem on a device.
    ///
    /// # Errors
    /// As the operation.
    pub async fn run(&self, gpu: &Gpu, placement: Placement) -> Result<AttentionOutcome<f32>> {
        let Dims { b: batch, t, d } = self.dims;
        let [rows, channels] = [batch * t, d].map(|n| n as u32);
        let b = &mut Builder::new(gpu, placement);
        let mask: Option<Buffer> = match &self.mask {
            Some(mask) => Some(gpu.upload("mask", &mask.iter().map(|&there| u32::from(there)).collect::<Vec<_>>())?),
            None => None,
        };
        let (heads, causal, mask) = (self.heads as u32, self.causal, mask.as_ref());
        let attention = Attention { batch: batch as u32, time: t as u32, channels, heads, causal, mask };
        let unwritten = |cols| {
            let plane = Plane::new(gpu, "check", rows, cols, placement)?;
            plane.fill(gpu, f32::NAN).map(|()| plane)
        };
        let cols = qkv_cols(channels);
        let qkv = Plane::upload(gpu, "qkv", rows, cols, &self.packed(), placement)?;
        let dy = Plane::upload(gpu, "dy", rows, channels, &self.dy, placement)?;
        let log_den = gpu.upload("log_den", &vec![f32::NAN; rows as usize * self.heads])?;
        let (out, dqkv) = (Attended { y: unwritten(channels)?, log_den }, unwritten(cols)?);
        forward(b, &attention, &qkv, &out)?;
        backward(b, &attention, &Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv })?;
        let mut recorder = Recorder::new(gpu);
        recorder.run(&b.take_program()).await?;
        recorder.finish().await?;
        let [dq, dk, dv] = self.unpacked(&dqkv.read(gpu).await?);
        Ok([out.y.read(gpu).await?, dq, dk, dv])
    }

    fn third(&self) -> usize {
        self.dims.d.next_multiple_of(4)
    }

    /// q, k and v side by side in each row, each aligned to a vec4.
    pub(crate) fn packed(&self) -> Vec<f32> {
        let mut packed = Vec::new();
        for row in 0..self.dims.b * self.dims.t {
            for part in [&self.q, &self.k, &self.v] {
                packed.extend_from_slice(&part[row * self.dims.d..][..self.dims.d]);
                packed.resize(packed.len().next_multiple_of(self.third()), 0.0);
            }
        }
        packed
    }

    /// Splits packed rows into q, k and v. Values become infinite if padding is not zero.
    pub(crate) fn unpacked(&self, packed: &[f32]) -> [Vec<f32>; 3] {
        let mut parts: [Vec<f32>; 3] = Default::default();
        for row in packed.chunks(3 * self.third()) {
            for (part, from) in parts.iter_mut().zip(row.chunks(self.third())) {
                let clean = from[self.dims.d..].iter().all(|v| *v == 0.0);
                part.extend(from[..self.dims.d].iter().map(|&v| if clean { v } else { f32::INFINITY }));
            }
        }
        parts
    }

    /// Compares a device's result with the reference.
    pub fn judge(&self, truth: &AttentionOutcome<f64>, outcome: &AttentionOutcome<f32>, exp: ExpError) -> Vec<Verdict> {
        let sizes = Sizes::of(self);
        let unit = sizes.allowed(self.reference().head_channels(), exp);
        ["y", "dq", "dk", "dv"]
            .into_iter()
            .enumerate()
            .map(|(i, output)| {
                let size = sizes.parts[i].iter().fold(0.0f64, |m, size| m.max(*size));
                let tolerance = |at: usize| unit * sizes.parts[i][at] + sizes.floor;
                Verdict::of(output, &outcome[i], &truth[i], size, tolerance)
            })
            .collect()
    }
}

/// Scales for errors: sums of magnitudes, because the results themselves may cancel.
struct Sizes {
    /// For y: the largest |v| of the channel and sequence. For dq: the sum of p A |k| over the keys, where A is the sum of |dy|
    /// (|v| + the largest |v|) over a head. For dk and dv: the largest sum of p A |q| and of p |dy| over the keys of a channel
    /// and sequence.
    parts: AttentionOutcome<f64>,
    /// X: the largest sum of |q k| in a score.
    exponent: f64,
    /// Absolute error that a few hundred underflowing products may cause.
    floor: f64,
}

impl Sizes {
    fn of(problem: &AttentionProblem) -> Self {
        let reference = problem.reference();
        let dims = problem.dims;
        // Masked values may be NaN and count as 0.
        let magnitudes = |values: &[f32]| -> Vec<f64> {
            values.iter().map(|v| f64::from(v.abs())).map(|v| if v.is_finite() { v } else { 0.0 }).collect()
        };
        let [q, k, v, dy] = [&problem.q, &problem.k, &problem.v, &problem.dy].map(|values| magnitudes(values));
        let largest_v = largest_over_time(dims, &v);
        let log_den = reference::forward(&reference, &widen(&problem.q), &widen(&problem.k), &v).log_den;
        let zeros = || vec![0.0; dims.size()];
        let (mut dq, mut dk, mut dv, mut exponent) = (zeros(), zeros(), zeros(), 0.0f64);
        for (b, h, t) in reference.rows() {
            let here = reference.head(b, t, h);
            for past in (0..dims.t).filter(|&past| reference.sees(b, t, past)) {
                let there = reference.head(b, past, h);
                let pairs = || here.clone().zip(there.clone());
                let score: f64 = pairs().map(|(i, j)| f64::from(problem.q[i]) * f64::from(problem.k[j])).sum();
                exponent = exponent.max(reference.scale() * pairs().map(|(i, j)| q[i] * k[j]).sum::<f64>());
                let p = (reference.scale() * score - log_den[(b * dims.t + t) * problem.heads + h]).exp();
                let slope: f64 = pairs().map(|(i, j)| dy[i] * (v[j] + largest_v[i])).sum();
                for (i, j) in pairs() {
                    dq[i] += reference.scale() * p * slope * k[j];
                    dk[j] += reference.scale() * p * slope * q[i];
                    dv[j] += p * dy[i];
                }
            }
        }
        let most = |values: &[f64]| values.iter().fold(1.0f64, |m, v| m.max(*v));
        let product = most(&v) * most(&dy) * most(&q).max(most(&k));
        let floor = 300.0 * f64::from(f32::MIN_POSITIVE) * product * reference.head_channels() as f64;
        let parts = [largest_v, dq, largest_over_time(dims, &dk), largest_over_time(dims, &dv)];
        Self { parts, exponent, floor }
    }

    /// Allowed relative error of a sum of weighted values: 32 roundings, plus those of sums in blocks of 256, as for AFT. The
    /// rounding of a score, a sum of `channels` products, is at most (4 + channels / 16) eps X. It occurs in the forward pass and
    /// again in the gradient, whose exponents also contain that of L. A weight has the same relative error, and a mean twice
    /// that. Weights with exponents below -88 are 0.
    fn allowed(&self, channels: usize, exp: ExpError) -> f64 {
        let score = (4.0 + channels as f64 / 16.0) * self.exponent;
        f64::from(f32::EPSILON) * (96.0 + 2.0 * score) + 2.0 * exp.excused().at(self.exponent.min(88.0))
    }
}

/// For every element, the largest value of its channel and sequence.
fn largest_over_time(dims: Dims, values: &[f64]) -> Vec<f64> {
    let chain = |i: usize| i / (dims.t * dims.d) * dims.d + i % dims.d;
    let mut largest = vec![0.0f64; dims.b * dims.d];
    values.iter().enumerate().for_each(|(i, v)| largest[chain(i)] = largest[chain(i)].max(*v));
    (0..values.len()).map(|i| largest[chain(i)]).collect()
}
