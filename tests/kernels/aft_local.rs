//! `aft/local`: forward and gradients, with every window from none to all of the sequence.

use aft_wgpu::gpu::Gpu;
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::Output;
use aft_wgpu::ops::aft::local::{Backward, Forward, backward, forward};
use aft_wgpu::reference::aft::local as reference;
use aft_wgpu::reference::compare::worst;
use libtest_mimic::Trial;

use crate::aft_common::*;
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_local::odd_shapes", |gpu| {
            for (b, t, d) in
                [(1, 1, 1), (2, 2, 3), (3, 3, 4), (1, 7, 5), (2, 17, 8), (3, 31, 33), (1, 33, 4), (2, 65, 5)]
            {
                for s in [0, 1, 2, 16, t - 1, t, t + 1] {
                    check(gpu, &Case::normal(b, t, d, s), Tier::Typical);
                }
            }
        }),
        trial(gpu, "aft_local::longer_shapes", |gpu| {
            for (t, s) in [(127, 16), (128, 16), (129, 2), (255, 254), (257, 258), (1000, 1), (1000, 300), (1000, 1000)]
            {
                check(gpu, &Case::normal(1, t, 4, s), Tier::Typical);
            }
        }),
    ]
}

fn check(gpu: &Gpu, case: &Case, tier: Tier) {
    let (q, k, v, w, dy) = (f64s(&case.q), f64s(&case.k), f64s(&case.v), f64s(&case.band), f64s(&case.dy));
    let expected = reference::forward(case.dims, case.window, Some(&q), &k, &v, &w);
    let gradient = reference::gradient(case.dims, case.window, Some(&q), &k, &v, &w, &dy);
    let sizes = Sizes::of(case, &expected);
    let relative = tier.relative(case.spread());
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let actual = run_both(b, case);
        let close = |name: &str, actual: &[f32], expected: &[f64], size: &dyn Fn(usize) -> f64| {
            let found = worst(actual, expected, |i| relative * size(i));
            assert!(found.passes(), "{name} {placement:?} {}: {found}", case.name());
        };
        close("y", &actual.y, &expected.y, &|i| sizes.v[i]);
        close("log_den", &actual.log_den, &expected.log_den, &|i| 1.0 + expected.log_den[i].abs());
        close("dq", &actual.dq, &gradient.dq, &|i| sizes.dq[i]);
        close("dk", &actual.dk, &gradient.dk, &|i| sizes.dk[i]);
        close("dv", &actual.dv, &gradient.dv, &|i| sizes.dv[i]);
        close("dband", &actual.dband, &gradient.dband, &|i| sizes.dband[i]);
    }
}

struct Actual {
    y: Vec<f32>,
    log_den: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    dband: Vec<f32>,
}

fn run_both(b: &mut Builder, case: &Case) -> Actual {
    let (rows, d) = (case.rows(), case.dims.d);
    let (batch, time, window) = (case.dims.b as u32, case.dims.t as u32, case.window as u32);
    let out = Output { y: unwritten(b, rows, d), log_den: unwritten(b, rows, d) };
    let (qkv, dy, band) = (case.qkv(b), case.rows_of(b, &case.dy), case.band_plane(b));
    let dqkv = unwritten(b, rows, qkv.cols as usize);
    let dband = unwritten(b, case.dims.t, band.cols as usize);
    let band = &band;
    forward(b, &Forward { batch, time, window, qkv: &qkv, band, out: &out }).unwrap();
    backward(b, &Backward { batch, time, window, qkv: &qkv, band, out: &out, dy: &dy, dqkv: &dqkv, dband: &dband })
        .unwrap();
    run(b);
    let [dq, dk, dv] = case.unpacked(&read(b, &dqkv));
    let dband = case.band_of(&read(b, &dband));
    Actual { y: read(b, &out.y), log_den: read(b, &out.log_den), dq, dk, dv, dband }
}
