//! Shared by the tests of AFT: one case with its planes, its reference and its tolerances.

use aft_wgpu::gpu::Plane;
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases, band_cols, band_index};
use aft_wgpu::ops::aft::dense::Rowed;
use aft_wgpu::ops::aft::mix::{self, Mix, Mixed, Saved};
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::reference::compare::worst;
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
    /// The case with every q the same.
    pub fn gates(mut self, q: f32) -> Self {
        self.q.fill(q);
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

    /// B, T and s as operations take them.
    pub fn shape(&self) -> (u32, u32, u32) {
        (self.dims.b as u32, self.dims.t as u32, self.window as u32)
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

    /// The band in the blocks of its plane. What no kernel may use would outweigh all the rest (a NaN may vanish in a clamp).
    pub fn band_plane(&self, b: &Builder) -> Plane {
        let (t, cols) = (self.dims.t, band_cols(self.dims.t as u32, self.window as u32) as usize);
        let mut blocks = vec![1e5; t * cols];
        for (row, key, at) in entries(t, self.window) {
            blocks[row * cols + band_index(row as u32, key as u32) as usize] = self.band[at];
        }
        plane(b, t, cols, &blocks)
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
    /// The largest sum of p |G| (|v| + |R|) over the keys of the channel, where the mean R of some v, and its error, go with
    /// the largest |v|.
    pub dk: Vec<f64>,
    /// The largest sum of p |G| over the keys of the channel.
    pub dv: Vec<f64>,
    /// The sum of p |G| (|v| + |R|) over batch and channels [T, s].
    pub dband: Vec<f64>,
}

impl Sizes {
    pub fn of(case: &Case, forward: &aft::Forward) -> Self {
        let dims = case.dims;
        let v = largest_by_channel(dims, &f64s(&case.v));
        let (mut dq, mut dk, mut dv) = (vec![0.0; v.len()], vec![0.0; v.len()], vec![0.0; v.len()]);
        let mut dband = vec![0.0; case.band.len()];
        for (b, d) in (0..dims.b).flat_map(|b| (0..dims.d).map(move |d| (b, d))) {
            for t in 0..dims.t {
                let i = dims.at(b, t, d);
                let q = f64::from(case.q[i]);
                let g = f64::from(case.dy[i]).abs() * aft::sigmoid(q);
                dq[i] = g * aft::sigmoid(-q) * v[i];
                for past in 0..=t {
                    let j = dims.at(b, past, d);
                    let at = (past + case.window).checked_sub(t + 1).map(|j| t * case.window + j);
                    let w = at.map_or(0.0, |at| case.band[at]);
                    let p = (f64::from(case.k[j]) + f64::from(w) - forward.log_den[i]).exp();
                    let pair = p * g * (f64::from(case.v[j]).abs() + v[i]);
                    dv[j] += p * g;
                    dk[j] += pair;
                    if let Some(at) = at {
                        dband[at] += pair;
                    }
                }
            }
        }
        Self { v, dq, dk: largest_by_channel(dims, &dk), dv: largest_by_channel(dims, &dv), dband }
    }
}

impl Sizes {
    /// The same for AFT-simple, in time O(T): |v| + |R| is at most twice the largest |v|, and the band has no entries.
    pub fn of_simple(case: &Case) -> Self {
        let dims = case.dims;
        let v = largest_by_channel(dims, &f64s(&case.v));
        let (q, k) = (f64s(&case.q), f64s(&case.k));
        let dy: Vec<f64> = case.dy.iter().map(|dy| f64::from(dy.abs())).collect();
        let sums = aft::simple::gradient(dims, true, Some(&q), &k, &f64s(&case.v), &dy).dv;
        let dv = largest_by_channel(dims, &sums);
        let dq = (0..v.len()).map(|i| dy[i] * aft::sigmoid(q[i]) * aft::sigmoid(-q[i]) * v[i]).collect();
        Self { dq, dk: dv.iter().zip(&v).map(|(dv, v)| 2.0 * dv * v).collect(), dv, v, dband: Vec::new() }
    }
}

/// What a hundred products below the smallest normal number may lose.
const UNDERFLOW: f64 = 100.0 * f32::MIN_POSITIVE as f64;

/// Asserts that every value is within `relative` times its size of the reference, and finite.
pub fn close(what: &str, actual: &[f32], expected: &[f64], relative: f64, sizes: &[f64]) {
    let found = worst(actual, expected, |i| relative * sizes[i] + UNDERFLOW);
    assert!(found.passes(), "{what}: {found}");
}

/// Asserts that every |y| is at most the largest |v| of its channel, of which it is a gated mean.
pub fn check_convex(what: &str, case: &Case, y: &[f32], relative: f64) {
    let largest = largest_by_channel(case.dims, &f64s(&case.v));
    let bad = y.iter().zip(&largest).position(|(y, v)| f64::from(y.abs()) > v * (1.0 + relative));
    assert_eq!(bad, None, "{what}: beyond every value");
}

/// Keys and biases that break what is not exact: large and opposed, rising, suppressed, constant.
pub fn hostile(window: usize) -> Vec<Case> {
    let shape = |d| Case::normal(2, 70, d, window);
    let spike = |at: usize, height: f32| shape(3).keys(move |k, t, _| if t == at { height } else { k });
    let big = |x: f32| (3e3 * x).clamp(-1e4, 1e4);
    vec![
        shape(5).keys(|k, _, _| big(k)).biases(|w, _, _| big(w)),
        shape(4).keys(|k, _, _| 20.0 * k).biases(|w, _, _| 20.0 * w),
        shape(3).keys(|k, t, _| k + 0.5 * t as f32),
        shape(3).keys(|k, t, _| k - 0.5 * t as f32),
        shape(3).keys(|k, t, _| k + 2.0 * t as f32).biases(|w, t, _| w - 2.0 * t as f32),
        shape(3).biases(|w, _, j| w - 0.5 * (window - j) as f32),
        shape(3)
            .keys(|_, t, _| if t % 2 == 0 { 60.0 } else { -60.0 })
            .biases(|w, _, j| if j % 2 == 0 { -60.0 } else { 60.0 + w }),
        // One huge key; then the same suppressed wherever the window holds it.
        spike(20, 1e4),
        spike(20, 200.0).biases(move |w, t, j| if t + j + 1 == 20 + window { -200.0 } else { w }),
        spike(0, -1e4),
        shape(3).biases(|_, _, _| -1e4),
        shape(3).biases(|_, _, _| 1e4),
        shape(3).keys(|_, _, _| 0.0).values(|_, _, _| 0.1).biases(|_, _, _| 0.0),
        shape(3).keys(|_, _, _| -0.3).values(|_, _, _| 0.7),
        // Saturated gates.
        shape(4).gates(30.0),
        shape(4).gates(-60.0),
        Case::normal(2, 1, 3, window).keys(|k, _, _| 1e4 * k),
    ]
}

/// Values and gradients near the ends of the range that tolerances hold for, crossed with wide keys.
pub fn extreme(window: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for spread in [1.0, 40.0, 60.0] {
        for (v_scale, dy_scale) in [(1e-9, 1e-9), (1e-9, 1e18), (1e18, 1e-9), (1e18, 1e18)] {
            let case = Case::normal(1, 40, 3, window).keys(|k, t, _| k + if t % 3 == 0 { spread } else { 0.0 });
            cases.push(case.values(|v, _, _| v_scale * v).dys(|dy, _, _| dy_scale * dy));
        }
    }
    let zeros = |x: f32, _, _| 0.0f32.copysign(x);
    cases.push(Case::normal(1, 20, 3, window).keys(zeros).values(zeros).biases(zeros));
    cases.push(Case::normal(1, 20, 3, window).keys(|k, _, _| 1e-41 * k).biases(|w, _, _| 1e-42 * w));
    cases
}

/// Numbers beyond what is exact, for which results are only promised to be finite.
pub fn beyond(window: usize) -> Vec<Case> {
    let shape = || Case::normal(1, 30, 3, window);
    let sign = |x: f32, large: f32| large.copysign(x);
    vec![
        shape().keys(|k, _, _| sign(k, f32::MAX)).biases(|w, _, _| sign(w, f32::MAX)),
        shape().keys(|k, _, _| sign(k, 1e30)).biases(|w, _, _| sign(w, 1e30)),
        shape().keys(|k, _, _| sign(k, 1e30)).biases(|w, _, _| w),
        shape().values(|v, _, _| sign(v, 1e30)),
        shape().values(|v, _, _| sign(v, 1e30)).dys(|dy, _, _| 1e-30 * dy),
        shape().values(|v, _, _| 1e-30 * v).dys(|dy, _, _| sign(dy, 1e30)),
        shape().gates(f32::MAX),
        shape().gates(-f32::MAX),
    ]
}

fn edit(values: &mut [f32], dims: Dims, f: impl Fn(f32, usize, usize) -> f32) {
    values.iter_mut().enumerate().for_each(|(i, v)| *v = f(*v, i / dims.d % dims.t, i % dims.d));
}

/// What a causal, gated form gives for a case.
pub struct Actual {
    pub y: Vec<f32>,
    pub log_den: Vec<f32>,
    pub dq: Vec<f32>,
    pub dk: Vec<f32>,
    pub dv: Vec<f32>,
    pub dband: Vec<f32>,
}

impl Actual {
    pub fn parts(&self) -> [&[f32]; 6] {
        [&self.y, &self.log_den, &self.dq, &self.dk, &self.dv, &self.dband]
    }
    pub fn bits(&self) -> Vec<u32> {
        self.parts().iter().flat_map(|part| part.iter().map(|v| v.to_bits())).collect()
    }
}

fn mix(case: &Case) -> Mix<'static> {
    let ((batch, time, _), channels) = (case.shape(), case.dims.d as u32);
    Mix { batch, time, channels, causal: true, gated: true, mask: None }
}

/// y.
pub fn run_forward(b: &mut Builder, case: &Case) -> Vec<f32> {
    let (rows, d, window) = (case.rows(), case.dims.d, case.window as u32);
    let out = Mixed { y: unwritten(b, rows, d), saved: None };
    let band = b.gpu.upload("band", &[&case.band[..], &[f32::NAN]].concat()).unwrap();
    let w = Rowed { buffer: &band, offset_bytes: 0, columns: window, stride: window };
    let biases = if window == 0 { Biases::None } else { Biases::Band { w, window } };
    mix::forward(b, &mix(case), &biases, &case.qkv(b), &out).unwrap();
    run(b);
    read(b, &out.y)
}

pub fn run_both(b: &mut Builder, case: &Case) -> Actual {
    let (rows, d, window) = (case.rows(), case.dims.d, case.window as u32);
    let lr = unwritten(b, rows, 2 * d.next_multiple_of(4));
    let saved = Saved { centre: unwritten(b, case.dims.b, d), lr: lr.clone() };
    let out = Mixed { y: unwritten(b, rows, d), saved: Some(saved) };
    let (qkv, dy) = (case.qkv(b), case.rows_of(b, &case.dy));
    let dqkv = unwritten(b, rows, qkv.cols as usize);
    // A word behind the band that nothing may read or write.
    let [band, dband] = [&case.band[..], &vec![f32::NAN; case.band.len()]]
        .map(|values| b.gpu.upload("band", &[values, &[12_345.5]].concat()).unwrap());
    let rowed = |buffer| Rowed { buffer, offset_bytes: 0, columns: window, stride: window };
    let (biases, dbiases) = match window {
        0 => (Biases::None, None),
        _ => (Biases::Band { w: rowed(&band), window }, Some(BiasGradient::Dense(rowed(&dband), false))),
    };
    mix::forward(b, &mix(case), &biases, &qkv, &out).unwrap();
    mix::backward(b, &mix(case), &biases, &mix::Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases })
        .unwrap();
    run(b);
    let [dq, dk, dv] = case.unpacked(&read(b, &dqkv));
    let len = case.band.len();
    let mut dband: Vec<f32> = pollster::block_on(b.gpu.read(&dband, 0, 4 * (len as u64 + 1))).unwrap();
    assert_eq!(dband.pop(), Some(12_345.5), "a store behind the band's gradient");
    let log_den = read(b, &lr).chunks(lr.cols as usize).flat_map(|row| &row[..d]).copied().collect();
    Actual { y: read(b, &out.y), log_den, dq, dk, dv, dband }
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
