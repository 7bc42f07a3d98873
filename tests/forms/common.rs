//! Shared by the tests of forms: running a layer, judging it, seeded values.

use aft_wgpu::apply::{Outcome, Problem};
use aft_wgpu::check::{ExpError, judge};
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::random::{normal_pair, pcg4d, unit};
use aft_wgpu::reference::Dims;

/// Both homes of planes.
pub const PLACEMENTS: [Placement; 2] = [Placement::Buffer, Placement::Texture];

/// The software drivers' exp is within what the tolerance has for rounding.
pub const EXP: ExpError = ExpError { base: 0.0, slope: 0.0 };

/// What the layer gives on a device.
pub fn run(gpu: &Gpu, problem: &Problem, placement: Placement) -> Outcome<f32> {
    pollster::block_on(problem.run(gpu, placement)).unwrap_or_else(|e| panic!("{}: {e}", describe(problem)))
}

/// Asserts that what a device gave is the truth, within the tolerance.
pub fn assert_true(what: &str, problem: &Problem, truth: &Outcome<f64>, outcome: &Outcome<f32>) {
    for verdict in judge(problem, truth, outcome, EXP) {
        assert!(verdict.ratio <= 1.0, "{what}, {}: {verdict:?}", describe(problem));
    }
}

/// The problem in a few words.
pub fn describe(problem: &Problem) -> String {
    let Problem { form, dims, heads, causal, gated, mask, .. } = problem;
    let (end, gate) = (if *causal { "causal" } else { "not causal" }, if *gated { "gated" } else { "no gate" });
    format!("{form:?} {dims:?} H = {heads}, {end}, {gate}{}", if mask.is_some() { ", masked" } else { "" })
}

/// `len` standard normal numbers of a stream.
pub fn normal(stream: u32, len: usize) -> Vec<f32> {
    (0..len).map(|i| normal_pair([stream, 0x666f_726d, i as u32 / 2, 0])[i % 2] as f32).collect()
}

/// `len` numbers in [0, 1) of a stream.
pub fn uniform(stream: u32, len: usize) -> Vec<f32> {
    (0..len).map(|i| unit(pcg4d([stream, 0x756e_6966, i as u32, 0])[0]) as f32).collect()
}

/// A layer without a gate and without gradients.
pub fn plain(form: SizedForm, [b, t, d]: [usize; 3], causal: bool, k: &[f32], v: &[f32], w: &[f32]) -> Problem {
    let dims = Dims { b, t, d };
    let heads = if form.is_conv() { k.len() / (b * t) } else { 1 };
    let (q, w) = (vec![0.0; dims.size()], [w.to_vec(), Vec::new()]);
    let (k, v) = (k.to_vec(), v.to_vec());
    Problem { dims, heads, form, causal, gated: false, q, k, v, w, mask: None, dy: None }
}

/// Biases as factors of rank 1.
pub const RANK_1: Bias = Bias::Factors(1);
