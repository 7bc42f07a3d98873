//! Shared by the tests of AFT: one case with its planes, its reference and its tolerances.

use aft_wgpu::gpu::Plane;
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::{band, qkv_cols};
use aft_wgpu::reference::{Dims, aft};

use crate::common::*;

/// q, k, v and dy of [B, T, D], and a band [T, s] as the reference lays it out.
#[derive(Clone)]
pub struct Case {
    pub dims: Dims,
    pub window: usize,
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub dy: Vec<f32>,
    pub band: Vec<f32>,
}

impl Case {
    /// Standard normal values.
    pub fn normal(b: usize, t: usize, d: usize, window: usize) -> Self {
        let n = b * t * d;
        let [q, k, v, dy] = [11, 12, 13, 14].map(|seed| normal(seed, n));
        Self { dims: Dims { b, t, d }, window, q, k, v, dy, band: normal(15, t * window) }
    }

    /// The case with its keys, values, gradients of y or biases changed element by element, from (value, position t, channel).
    pub fn keys(mut self, f: impl Fn(f32, usize, usize) -> f32) -> Self {
        edit(&mut self.k, self.dims, f);
        self
    }
    pub fn values(mut self, f: impl Fn(f32, usize, usize) -> f32) -> Self {
        edit(&mut self.v, self.dims, f);
        self
    }
    pub fn dys(mut self, f: impl Fn(f32, usize, usize) -> f32) -> Self {
        edit(&mut self.dy, self.dims, f);
        self
    }
    /// From (value, position t, column j).
    pub fn biases(mut self, f: impl Fn(f32, usize, usize) -> f32) -> Self {
        let window = self.window;
        self.band.iter_mut().enumerate().for_each(|(i, w)| *w = f(*w, i / window, i % window));
        self
    }

    pub fn name(&self) -> String {
        let Dims { b, t, d } = self.dims;
        format!("[{b}, {t}, {d}] s = {}", self.window)
    }

    /// The plane qkv.
    pub fn qkv(&self, b: &Builder) -> Plane {
        plane(b, self.rows(), qkv_cols(self.dims.d as u32) as usize, &self.packed([&self.q, &self.k, &self.v]))
    }

    /// A plane [B T, D].
    pub fn rows_of(&self, b: &Builder, data: &[f32]) -> Plane {
        plane(b, self.rows(), self.dims.d, data)
    }

    pub fn rows(&self) -> usize {
        self.dims.b * self.dims.t
    }

    /// Three tensors [B, T, D] as rows of the plane qkv.
    pub fn packed(&self, parts: [&[f32]; 3]) -> Vec<f32> {
        let (d, third) = (self.dims.d, qkv_cols(self.dims.d as u32) as usize / 3);
        let mut packed = vec![0.0; self.rows() * 3 * third];
        for (row, to) in packed.chunks_mut(3 * third).enumerate() {
            for (part, to) in parts.iter().zip(to.chunks_mut(third)) {
                to[..d].copy_from_slice(&part[row * d..][..d]);
            }
        }
        packed
    }

    /// The three tensors [B, T, D] of a plane dqkv; checks that their padding is zero.
    pub fn unpacked(&self, packed: &[f32]) -> [Vec<f32>; 3] {
        let (d, third) = (self.dims.d, qkv_cols(self.dims.d as u32) as usize / 3);
        let mut parts: [Vec<f32>; 3] = Default::default();
        for row in packed.chunks(3 * third) {
            for (part, from) in parts.iter_mut().zip(row.chunks(third)) {
                assert!(from[d..].iter().all(|v| *v == 0.0), "padding of {} is not zero: {from:?}", self.name());
                part.extend_from_slice(&from[..d]);
            }
        }
        parts
    }

    /// The band in the blocks of its plane; what no kernel may use is NaN.
    pub fn band_plane(&self, b: &Builder) -> Plane {
        let (t, cols) = (self.dims.t, band::cols(self.dims.t as u32, self.window as u32) as usize);
        let mut blocks = vec![f32::NAN; t * cols];
        for (row, key, at) in entries(t, self.window) {
            blocks[row * cols + band::index(row as u32, key as u32) as usize] = self.band[at];
        }
        plane(b, t, cols, &blocks)
    }

    /// The band [T, s] of a plane of blocks; its unused entries are 0.
    pub fn band_of(&self, blocks: &[f32]) -> Vec<f32> {
        let cols = band::cols(self.dims.t as u32, self.window as u32) as usize;
        let mut band = vec![0.0; self.dims.t * self.window];
        for (row, key, at) in entries(self.dims.t, self.window) {
            band[at] = blocks[row * cols + band::index(row as u32, key as u32) as usize];
        }
        band
    }

    /// X of the tolerances: the largest exponents.
    pub fn spread(&self) -> f64 {
        max_abs(&f64s(&self.k)) + max_abs(&f64s(&self.band))
    }
}

/// Used entries of a band [T, s]: (t, t', index in the reference's layout).
pub fn entries(t_count: usize, window: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..t_count)
        .flat_map(move |t| (0..window).filter_map(move |j| Some((t, (t + j + 1).checked_sub(window)?, t * window + j))))
}

/// For every element the largest magnitude over the time of its channel and sequence.
pub fn largest_by_channel(dims: Dims, values: &[f64]) -> Vec<f64> {
    let mut largest = vec![0.0f64; dims.b * dims.d];
    let chain = |i: usize| i / (dims.t * dims.d) * dims.d + i % dims.d;
    values.iter().enumerate().for_each(|(i, v)| largest[chain(i)] = largest[chain(i)].max(v.abs()));
    (0..values.len()).map(|i| largest[chain(i)]).collect()
}

/// What errors are relative to: sums of magnitudes, where the results themselves may cancel.
pub struct Sizes {
    /// For y: the largest |v| of the channel, of which y is at most the mean.
    pub v: Vec<f64>,
    /// |dy| g (1 - g) times the same.
    pub dq: Vec<f64>,
    /// The largest sum of p |G| (|v| + |R|) over the keys of the channel.
    pub dk: Vec<f64>,
    /// The largest sum of p |G| over the keys of the channel.
    pub dv: Vec<f64>,
    /// The sum of p |G| (|v| + |R|) over batch and channels [T, s], and a floor where all p underflow.
    pub dband: Vec<f64>,
}

impl Sizes {
    pub fn of(case: &Case, forward: &aft::Forward) -> Self {
        let dims = case.dims;
        let v = largest_by_channel(dims, &f64s(&case.v));
        let (mut dq, mut dk, mut dv) = (vec![0.0; v.len()], vec![0.0; v.len()], vec![0.0; v.len()]);
        let mut dband = vec![0.0; case.band.len()];
        let mut largest_pair = 0.0f64;
        for (b, d) in (0..dims.b).flat_map(|b| (0..dims.d).map(move |d| (b, d))) {
            for t in 0..dims.t {
                let i = dims.at(b, t, d);
                let gate = aft::sigmoid(f64::from(case.q[i]));
                let g = f64::from(case.dy[i]).abs() * gate;
                dq[i] = g * aft::sigmoid(-f64::from(case.q[i])) * v[i];
                for past in 0..=t {
                    let j = dims.at(b, past, d);
                    let at = (past + case.window).checked_sub(t + 1).map(|j| t * case.window + j);
                    let w = at.map_or(0.0, |at| case.band[at]);
                    let p = (f64::from(case.k[j]) + f64::from(w) - forward.log_den[i]).exp();
                    let pair = p * g * (f64::from(case.v[j]).abs() + (forward.y[i] / gate).abs());
                    dv[j] += p * g;
                    dk[j] += pair;
                    largest_pair = largest_pair.max(pair);
                    if let Some(at) = at {
                        dband[at] += pair;
                    }
                }
            }
        }
        dband.iter_mut().for_each(|size| *size += 1e-30 * largest_pair);
        Self { v, dq, dk: largest_by_channel(dims, &dk), dv: largest_by_channel(dims, &dv), dband }
    }
}

fn edit(values: &mut [f32], dims: Dims, f: impl Fn(f32, usize, usize) -> f32) {
    values.iter_mut().enumerate().for_each(|(i, v)| *v = f(*v, i / dims.d % dims.t, i % dims.d));
}

/// The tier of a tolerance: relative errors of y in units of the largest |v| of its channel.
#[derive(Clone, Copy)]
pub enum Tier {
    /// |k| and |w| of a few nats.
    Typical,
    /// Anything: 32 roundings, those of sums in blocks of 256, and those of exponents of `spread` nats.
    Adversarial,
}

impl Tier {
    pub fn relative(self, spread: f64) -> f64 {
        match self {
            Self::Typical => 2e-6,
            Self::Adversarial => f64::from(f32::EPSILON) * (32.0 + 64.0 + spread),
        }
    }
}
