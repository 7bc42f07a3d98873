//! How much memory a layer takes beside its inputs and outputs.

use aft_wgpu::apply::{Bias, Form, Problem};
use aft_wgpu::check::problem;
use aft_wgpu::gpu::{AdapterClass, Gpu, GpuOptions, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases};
use aft_wgpu::ops::aft::dense::Rowed;
use aft_wgpu::ops::aft::mix::{self, Backward, Mix, Mixed};
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "memory::scratch_is_a_few_planes", |_| {
            let dims = Dims { b: 4, t: 1000, d: 128 };
            for causal in [true, false] {
                for form in [Form::Simple, Form::Conv1d(15), Form::Conv2d(7, 40)] {
                    check(&problem(form, dims, if form.is_conv() { 4 } else { 1 }, causal));
                }
                for bias in [Bias::Dense, Bias::Factors(16)] {
                    check(&problem(Form::Local(32, bias), dims, 1, causal));
                }
            }
        }),
        // What is allowed is a third of one array [T, T].
        trial(gpu, "memory::scratch_of_full_is_two_panels", |_| {
            let dims = Dims { b: 1, t: 2000, d: 64 };
            for causal in [true, false] {
                check(&problem(Form::Full(Bias::Factors(16)), dims, 1, causal));
                let dense = problem(Form::Full(Bias::Dense), dims, 1, causal);
                check(&Problem { dy: None, ..dense.clone() });
                PLANS.into_iter().for_each(|class| check_dense(class, &dense));
            }
        }),
    ]
}

/// The plans for processors and for GPUs.
const PLANS: [AdapterClass; 2] = [AdapterClass::Software, AdapterClass::Discrete];

/// A device whose ledger nobody else writes to.
fn device(class: AdapterClass) -> Gpu {
    Gpu::request_blocking(&GpuOptions { floor: true, ..Default::default() }).unwrap().plan_as(class)
}

/// What both passes may take together, in planes of [B T, D]: G, and what the biases do not reach, or sums over panels, as four.
const PLANES: usize = 6;

/// Runs a layer, with its gradients if these are wanted.
fn check(problem: &Problem) {
    for class in PLANS {
        let gpu = device(class);
        let before = gpu.memory().live_bytes;
        run(&gpu, problem, Placement::Buffer);
        let bytes = gpu.memory().peak_bytes - before;
        assert_few(class, problem, bytes.saturating_sub(4 * known(problem) as u64));
    }
}

/// Prepares both passes of AFT-full with biases as themselves: a run would read their gradient back, an array [T, T].
fn check_dense(class: AdapterClass, problem: &Problem) {
    let gpu = device(class);
    let [batch, time, channels] = [problem.dims.b, problem.dims.t, problem.dims.d].map(|n| n as u32);
    let mix = Mix { batch, time, channels, causal: problem.causal, gated: true, mask: None };
    let (b, rows) = (&mut Builder::new(&gpu, Placement::Buffer), batch * time);
    let [w, dw] = ["w", "dw"].map(|name| gpu.storage(name, 4 * u64::from(time) * u64::from(time)).unwrap());
    let [w, dw] = [&w, &dw].map(|buffer| Rowed { buffer, offset_bytes: 0, columns: time, stride: time });
    let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, rows, qkv_cols(channels)).unwrap());
    let (dy, out) = (b.plane("dy", rows, channels).unwrap(), Mixed::new(b, &mix, true).unwrap());
    let before = gpu.memory().live_bytes;
    mix::forward(b, &mix, &Biases::Full(w), &qkv, &out).unwrap();
    let dbiases = Some(BiasGradient::Dense(dw, false));
    let args = Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases };
    mix::backward(b, &mix, &Biases::Full(w), &args).unwrap();
    assert_few(class, problem, gpu.memory().peak_bytes - before);
}

fn assert_few(class: AdapterClass, problem: &Problem, scratch: u64) {
    let most = 4 * bound(problem) as u64 + (1 << 20);
    assert!(scratch <= most, "{}, planned as {class:?}: {scratch} bytes of scratch, bound {most}", describe(problem));
}

/// Floats of inputs and outputs.
fn known(problem: &Problem) -> usize {
    let Dims { b, t, d } = problem.dims;
    let (rows, channels) = (b * t, d.next_multiple_of(4));
    let heads = if problem.form.is_conv() { problem.heads } else { 0 };
    let [first, second] = problem.bias_shapes().map(|[rows, cols]| rows.next_multiple_of(4) * cols.next_multiple_of(4));
    // q, k, v and their gradients, y, L, R, dy; of AFT-conv the gradient of the projection, which itself is done
    // with before; centres; biases and theirs.
    let planes = rows * (10 * channels + if heads > 0 { 2 * channels + heads.next_multiple_of(4) } else { 0 });
    planes + b * channels + (first + second) * if problem.dy.is_some() { 2 } else { 1 }
}

/// Floats that may be taken besides.
fn bound(problem: &Problem) -> usize {
    let Dims { b, t, d } = problem.dims;
    let biases = match problem.form {
        // A panel, and its gradient.
        Form::Full(_) => 2 * t * d.next_multiple_of(64),
        Form::Local(window, _) => t * (2 * window - 1),
        _ => 0,
    };
    PLANES * b * t * d.next_multiple_of(4) + 64 * t + biases
}
