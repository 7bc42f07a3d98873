//! AFT-simple, causal: forward and gradients.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::biases::Biases;
use aft_wgpu::ops::aft::mix::{Mix, Mixed, forward};
use aft_wgpu::reference::aft::simple as reference;
use libtest_mimic::Trial;

use crate::aft_common::*;
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_simple::odd_shapes", |gpu| {
            for (i, t) in [1, 2, 3, 7, 17, 31, 33, 64, 65, 127, 128, 129, 255, 257, 1000].into_iter().enumerate() {
                check(gpu, &Case::normal(1 + i % 3, t, [1, 3, 4, 5, 8, 33][i % 6], 0), Tier::Typical, &PLACEMENTS);
            }
        }),
        trial(gpu, "aft_simple::hostile_keys", |gpu| {
            hostile(0).iter().for_each(|case| check(gpu, case, Tier::Adversarial, &PLACEMENTS));
        }),
        trial(gpu, "aft_simple::slow_ramps_of_keys", |gpu| {
            // A state that is rescaled at every new maximum would gather a rounding a token, which values that change sign
            // with age show.
            for slope in [1e-4, 5e-4, -5e-4] {
                let case = Case::normal(1, 8000, 4, 0).keys(|_, t, _| slope * t as f32);
                let case = case.values(|_, t, d| if t / [64, 100, 400, 4000][d] % 2 == 0 { 1.0 } else { -1.0 });
                check(gpu, &case, Tier::Typical, &[Placement::Buffer]);
            }
        }),
        trial(gpu, "aft_simple::sequences_of_65536_and_70000", |gpu| {
            for t in [65_536, 70_000] {
                check(gpu, &Case::normal(1, t, 4, 0), Tier::Typical, &[Placement::Buffer]);
                let constant = Case::normal(1, t, 4, 0).keys(|_, _, d| -0.1 * d as f32).values(|_, _, _| 0.1);
                check(gpu, &constant, Tier::Adversarial, &[Placement::Buffer]);
            }
        }),
        trial(gpu, "aft_simple::sequences_that_are_too_long_are_refused", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let case = Case::normal(1, 131_073, 1, 0);
            let mix = Mix { batch: 1, time: 131_073, channels: 1, causal: true, gated: true, mask: None };
            let out = Mixed::new(b, &mix, false).unwrap();
            let text = forward(b, &mix, &Biases::None, &case.qkv(b), &out).unwrap_err().to_string();
            assert!(text.contains("131073") && text.contains("131072"), "{text}");
        }),
        trial(gpu, "aft_simple::regression_the_sum_is_normalised_after_it_is_accumulated", |gpu| {
            let case = Case::normal(1, 2, 1, 0).gates(0.0).keys(|_, _, _| 0.0).values(|_, _, _| 1.0);
            let actual = run_both(&mut Builder::new(gpu, Placement::Buffer), &case);
            assert_eq!(actual.y, [0.5, 0.5]);
        }),
        trial(gpu, "aft_simple::regression_sequences_of_a_batch_do_not_mix", |gpu| {
            let case = Case::normal(2, 40, 1, 0).gates(0.0).keys(|_, _, _| 0.0);
            let case = Case { v: (0..80).map(|i| if i < 40 { 1e9 } else { 2.0 }).collect(), ..case };
            let actual = run_both(&mut Builder::new(gpu, Placement::Buffer), &case);
            assert!(actual.y[40..].iter().all(|y| (y - 1.0).abs() < 1e-6), "{:?}", &actual.y[40..]);
        }),
    ]
}

/// Forward and gradients against the reference.
fn check(gpu: &Gpu, case: &Case, tier: Tier, placements: &[Placement]) {
    let (q, k, v, dy) = (f64s(&case.q), f64s(&case.k), f64s(&case.v), f64s(&case.dy));
    let expected = reference::forward(case.dims, true, Some(&q), &k, &v);
    let gradient = reference::gradient(case.dims, true, Some(&q), &k, &v, &dy);
    let sizes = Sizes::of_simple(case);
    let relative = tier.relative(case.spread());
    for &placement in placements {
        let actual = run_both(&mut Builder::new(gpu, placement), case);
        let what = |name: &str| format!("{name} {placement:?} {}", case.name());
        close(&what("y"), &actual.y, &expected.y, relative, &sizes.v);
        let nats: Vec<f64> = expected.log_den.iter().map(|l| 1.0 + l.abs()).collect();
        close(&what("log_den"), &actual.log_den, &expected.log_den, relative, &nats);
        close(&what("dq"), &actual.dq, &gradient.dq, relative, &sizes.dq);
        close(&what("dk"), &actual.dk, &gradient.dk, relative, &sizes.dk);
        close(&what("dv"), &actual.dv, &gradient.dv, relative, &sizes.dv);
        check_convex(&what("y"), case, &actual.y, relative);
    }
}
