//! `aft/local`: forward and gradients, with every window from none to all of the sequence.

use aft_wgpu::gpu::Gpu;
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::Output;
use aft_wgpu::ops::aft::local::{Forward, forward};
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
    let (q, k, v, w) = (f64s(&case.q), f64s(&case.k), f64s(&case.v), f64s(&case.band));
    let expected = reference::forward(case.dims, case.window, Some(&q), &k, &v, &w);
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let out = run_forward(b, case);
        let (y, log_den) = (read(b, &out.y), read(b, &out.log_den));
        let largest = case.largest_values();
        let relative = tier.relative(case.spread());
        let found = worst(&y, &expected.y, |i| relative * largest[i]);
        assert!(found.passes(), "y {placement:?} {}: {found}", case.name());
        let found = worst(&log_den, &expected.log_den, |i| relative * (1.0 + expected.log_den[i].abs()));
        assert!(found.passes(), "log_den {placement:?} {}: {found}", case.name());
    }
}

fn run_forward(b: &mut Builder, case: &Case) -> Output {
    let (rows, d) = (case.rows(), case.dims.d);
    let out = Output { y: unwritten(b, rows, d), log_den: unwritten(b, rows, d) };
    let (qkv, band) = (case.qkv(b), case.band_plane(b));
    let args = Forward {
        batch: case.dims.b as u32,
        time: case.dims.t as u32,
        window: case.window as u32,
        qkv: &qkv,
        band: &band,
        out: &out,
    };
    forward(b, &args).unwrap();
    run(b);
    out
}
