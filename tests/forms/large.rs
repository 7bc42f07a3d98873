//! Dense biases that are more than one binding holds: kernels are given rows of them. And those that are more than a buffer holds.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::problem;
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::reference::aft::{Inputs, sample};
use aft_wgpu::reference::{Dims, compare::widen};
use aft_wgpu::{Error, wgpu};
use libtest_mimic::Trial;
use pollster::block_on;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "large::biases_past_the_binding_of_a_small_device", small_binding),
        trial(gpu, "large::biases_past_the_128_mib_of_the_floor", floor),
        trial(gpu, "large::biases_past_a_buffer_are_refused_with_numbers", small_buffer),
        trial(gpu, "large::a_band_past_the_binding_of_a_small_device", band),
    ]
}

/// A size of a device that is made small.
const SMALL: u64 = 1 << 20;

/// A device of the same plan with limits of the floor that `lower` lowers.
fn device(like: &Gpu, lower: impl FnOnce(&mut wgpu::Limits)) -> Gpu {
    let mut required_limits = wgpu::Limits::default();
    lower(&mut required_limits);
    let adapter = block_on(wgpu::Instance::default().request_adapter(&Default::default())).unwrap();
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).unwrap();
    Gpu::from_device(device, queue).unwrap().with_tuning(*like.tuning())
}

/// 1.4 MB of biases on a device that binds 1 MiB, all of it against the reference.
fn small_binding(like: &Gpu) {
    let gpu = &device(like, |limits| limits.max_storage_buffer_binding_size = SMALL);
    for causal in [true, false] {
        let problem = problem(SizedForm::Full(Bias::Dense), Dims { b: 2, t: 600, d: 3 }, 1, causal);
        assert!(4 * problem.w[0].len() as u64 > SMALL);
        let truth = problem.truth();
        for placement in PLACEMENTS {
            assert_true("rows of biases", &problem, &truth, &run(gpu, &problem, placement));
        }
    }
}

/// T = 5,800 on the floor, which binds 128 MiB and makes buffers of 256: sampled rows of y and entries of dw.
fn floor(gpu: &Gpu) {
    let t = 5800;
    let dims = Dims { b: 1, t, d: 1 };
    // A row of biases is no multiple of the period, so that a wrong row shows.
    let w: Vec<f32> = (0..t * t).map(|i| (i % 7919) as f32 / 2000.0 - 2.0).collect();
    let [q, k, v, dy] = [1, 2, 3, 4].map(|stream| normal(stream, t));
    let form = SizedForm::Full(Bias::Dense);
    let w = [w, Vec::new()];
    let problem = Problem { dims, heads: 1, form, causal: true, gated: true, q, k, v, w, mask: None, dy: Some(dy) };
    assert!(4 * (t * t) as u64 > gpu.caps().limits.max_storage_buffer_binding_size);
    let outcome = run(gpu, &problem, Placement::Buffer);

    let (q, k, v) = (widen(&problem.q), widen(&problem.k), widen(&problem.v));
    let (w, dy) = (widen(&problem.w[0]), widen(problem.dy.as_ref().unwrap()));
    let inputs = Inputs { dims, heads: 1, causal: true, q: Some(&q), k: &k, v: &v, mask: None };
    let layout = problem.layout();
    // The last row whose biases one binding would reach is row 5,784.
    let rows = [0, 1, 63, 64, 2900, 5783, 5784, 5785, t - 1];
    let y = sample::rows(&inputs, layout.as_ref(), &w, &rows).y;
    close("y", &rows.map(|row| outcome.y[row]), &y);
    let entries: Vec<_> = rows.into_iter().flat_map(|row| [0, row / 2, row].map(|key| row * t + key)).collect();
    let truth = sample::entries(&inputs, layout.as_ref(), &w, &dy, &entries);
    let dw = &outcome.gradients.unwrap().dw[0];
    close("dw", &entries.iter().map(|&entry| dw[entry]).collect::<Vec<_>>(), &truth);
    // No row has a gradient of biases to keys that come later.
    assert!(dw.chunks(t).enumerate().all(|(row, dw)| dw[row + 1..].iter().all(|dw| *dw == 0.0)));
}

/// Sums of at most 5,800 terms, in two levels, are good to 1e-5 of what they reach.
fn close(name: &str, got: &[f32], truth: &[f64]) {
    assert_eq!(got.len(), truth.len());
    let largest = truth.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (i, (got, truth)) in got.iter().zip(truth).enumerate() {
        assert!((f64::from(*got) - truth).abs() <= 1e-5 * largest, "{name}[{i}] is {got}, expected {truth}");
    }
}

fn small_buffer(like: &Gpu) {
    let gpu = &device(like, |limits| {
        (limits.max_buffer_size, limits.max_storage_buffer_binding_size) = (SMALL, SMALL);
    });
    let problem = problem(SizedForm::Full(Bias::Dense), Dims { b: 1, t: 600, d: 1 }, 1, true);
    refused(gpu, &problem, Placement::Buffer, "max_buffer_size", 4 * 600 * 600);
}

/// 1.9 MB of a band on a device that binds 1 MiB, all of it against the reference.
fn band(like: &Gpu) {
    let gpu = &device(like, |limits| limits.max_storage_buffer_binding_size = SMALL);
    let problem = problem(SizedForm::Local(400, Bias::Dense), Dims { b: 1, t: 600, d: 1 }, 1, false);
    assert!(4 * problem.w[0].len() as u64 > SMALL);
    let truth = problem.truth();
    for placement in PLACEMENTS {
        assert_true("rows of a band", &problem, &truth, &run(gpu, &problem, placement));
    }
}

fn refused(gpu: &Gpu, problem: &Problem, placement: Placement, name: &str, bytes: u64) {
    match block_on(problem.run(gpu, placement)) {
        Err(Error::LimitExceeded { limit, needed, granted, .. }) => {
            assert_eq!((limit, needed, granted), (name, bytes, SMALL), "{}", describe(problem));
        }
        other => panic!("{}: {other:?}", describe(problem)),
    }
}
