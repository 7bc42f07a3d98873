//! How much memory a layer takes beside its inputs and outputs.

use aft_wgpu::apply::{Bias, Form, Problem};
use aft_wgpu::check::problem;
use aft_wgpu::gpu::{Gpu, GpuOptions, Placement};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![trial(gpu, "memory::scratch_is_a_few_planes", |_| {
        let dims = Dims { b: 4, t: 1000, d: 128 };
        for causal in [true, false] {
            for form in [Form::Simple, Form::Conv1d(15), Form::Conv2d(7, 40)] {
                check(&problem(form, dims, if form.is_conv() { 4 } else { 1 }, causal));
            }
            for bias in [Bias::Dense, Bias::Factors(16)] {
                check(&problem(Form::Full(bias), dims, 1, causal));
                check(&problem(Form::Local(32, bias), dims, 1, causal));
            }
        }
    })]
}

/// What both passes may take together, in planes of [B T, D]: G and H; what the biases do not reach, as three; a panel of biases with
/// its gradient, or what strips hand on.
const PLANES: usize = 6;

/// Runs a layer with its gradients on a device of its own, whose ledger nobody else writes to.
fn check(problem: &Problem) {
    let gpu = Gpu::request_blocking(&GpuOptions { floor: true, ..Default::default() }).unwrap();
    let before = gpu.memory().live_bytes;
    run(&gpu, problem, Placement::Buffer);
    let peak = gpu.memory().peak_bytes - before;
    let Dims { b, t, d } = problem.dims;
    let (rows, channels) = (b * t, d.next_multiple_of(4));
    let heads = if problem.form.is_conv() { problem.heads } else { 0 };
    let [first, second] = problem.bias_shapes().map(|[rows, cols]| rows.next_multiple_of(4) * cols.next_multiple_of(4));
    // q, k, v and their gradients, y, L, R, dy; of AFT-conv the gradient of the projection, which itself is done
    // with before; centres; biases and theirs.
    let planes = rows * (10 * channels + if heads > 0 { 2 * channels + heads.next_multiple_of(4) } else { 0 });
    let known = planes + b * channels + 2 * (first + second);
    let biases = if problem.w[0].is_empty() { 0 } else { t * problem.bias_shapes()[0][1].max(reach(problem)) };
    let bound = PLANES * rows * channels + 64 * t + biases;
    let scratch = (peak / 4).saturating_sub(known as u64);
    assert!(
        4 * scratch <= 4 * bound as u64 + (1 << 20),
        "{}: {scratch} floats of scratch, bound {bound}",
        describe(problem)
    );
}

/// Columns of a row of biases that are factors: those of what they make.
fn reach(problem: &Problem) -> usize {
    match problem.form {
        Form::Full(_) => problem.dims.t,
        Form::Local(window, _) => 2 * window - 1,
        _ => 0,
    }
}
