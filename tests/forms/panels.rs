//! Biases that do not fit into memory at once: what panels of rows give together, and what they cost.

use aft_wgpu::check::{masked, problem};
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Command, Gpu, Placement, Tuning};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::biases::Biases;
use aft_wgpu::ops::aft::mix::{self, Backward, Mix, Mixed};
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        // Fewer than 32 panels, whose sums are added in one level, and more; with keys outside of a window, and without.
        trial(gpu, "panels::of_full_in_one_level", |gpu| check(gpu, SizedForm::Full(Bias::Factors(3)), 700)),
        trial(gpu, "panels::of_full_in_two_levels", |gpu| {
            check(gpu, SizedForm::Full(Bias::Factors(3)), 1101);
            // So many ranks that panels are short.
            check(gpu, SizedForm::Full(Bias::Factors(40)), 1050);
        }),
        trial(gpu, "panels::of_full_as_itself", |gpu| check(gpu, SizedForm::Full(Bias::Dense), 1101)),
        trial(gpu, "panels::of_windows_in_one_level", |gpu| check(gpu, SizedForm::Local(301, Bias::Factors(3)), 1101)),
        trial(gpu, "panels::of_windows_in_two_levels", |gpu| {
            check(gpu, SizedForm::Local(1000, Bias::Factors(3)), 1302)
        }),
        trial(gpu, "panels::of_windows_as_themselves", |gpu| check(gpu, SizedForm::Local(301, Bias::Dense), 1101)),
        trial(gpu, "panels::work_counts_without_biases", work_counts),
    ]
}

/// Holds a layer of few channels, whose biases come in panels, against the reference.
fn check(gpu: &Gpu, form: SizedForm, t: usize) {
    for causal in [true, false] {
        let problem = problem(form, Dims { b: 1, t, d: 3 }, 1, causal);
        // What is not causal is masked, too.
        let problem = if causal { problem } else { masked(problem) };
        let truth = problem.truth();
        for (tuning, placement) in [Tuning::GPU, Tuning::CPU].into_iter().zip(PLACEMENTS) {
            let outcome = run(&gpu.with_tuning(tuning), &problem, placement);
            assert_true(&format!("{:?}, {placement:?}", tuning.target), &problem, &truth, &outcome);
        }
    }
}

/// What a row loads and stores is counted, so that long dispatches of any form come in pieces.
fn work_counts(gpu: &Gpu) {
    let (b, mix) = (
        &mut Builder::new(gpu, Placement::Buffer),
        Mix { batch: 2, time: 4096, channels: 16, causal: true, gated: true, mask: None },
    );
    let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, 8192, qkv_cols(16)).unwrap());
    let (dy, out) = (b.plane("dy", 8192, 16).unwrap(), Mixed::new(b, &mix, true).unwrap());
    mix::forward(b, &mix, &Biases::None, &qkv, &out).unwrap();
    let args = Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases: None };
    mix::backward(b, &mix, &Biases::None, &args).unwrap();
    let work = |label: &str| -> f64 {
        let bytes = |command: &Command| match command {
            Command::Dispatch(dispatch) if dispatch.label == label => dispatch.cost.bytes,
            _ => 0.0,
        };
        b.program.commands().iter().map(bytes).sum()
    };
    // vec4s: q, k, v, y, L and r; and k, v, L, r, G, dk and dv.
    for (label, vec4s) in [("aft/simple:simple", 6.0), ("aft/simple_grad:gradient", 7.0)] {
        assert!(work(label) >= vec4s * 16.0 * 8192.0 * 4.0, "{label}: {} bytes", work(label));
    }
}
