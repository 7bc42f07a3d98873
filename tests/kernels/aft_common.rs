//! Shared by the tests of AFT: one case with its planes, its reference and its tolerances.

use aft_wgpu::gpu::Plane;
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::{band, qkv_cols};
use aft_wgpu::reference::Dims;

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

    /// X of the tolerances: the largest exponents.
    pub fn spread(&self) -> f64 {
        max_abs(&f64s(&self.k)) + max_abs(&f64s(&self.band))
    }

    /// The largest |v| of each channel, for every element.
    pub fn largest_values(&self) -> Vec<f64> {
        largest_by_channel(self.dims, &f64s(&self.v))
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
