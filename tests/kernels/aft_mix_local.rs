//! `aft_mix` as AFT-local, causal, with a dense band: forward and gradients, with every window from none (AFT-simple) to more than the
//! sequence.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::reference::aft::local as reference;
use libtest_mimic::Trial;

use crate::aft_common::*;
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_mix_local::odd_shapes", |gpu| {
            let shapes = [(1, 1, 1), (2, 2, 3), (3, 3, 4), (1, 7, 5), (2, 17, 8), (3, 31, 33), (1, 33, 4), (2, 64, 5)];
            for (b, t, d) in shapes {
                for s in [0, 1, 2, 16, t - 1, t, t + 1] {
                    check(gpu, &Case::normal(b, t, d, s), Tier::Typical);
                }
            }
        }),
        trial(gpu, "aft_mix_local::longer_shapes", |gpu| {
            for (t, s) in [(65, 16), (127, 16), (128, 17), (129, 2), (255, 254), (257, 258), (1000, 1), (1000, 300)] {
                check(gpu, &Case::normal(1, t, 4, s), Tier::Typical);
            }
        }),
        trial(gpu, "aft_mix_local::windows_of_thousands", |gpu| {
            check(gpu, &Case::normal(1, 1000, 4, 1000), Tier::Typical);
            // Equal terms, whose roundings all go one way: sums in one level would drift.
            let constant = Case::normal(1, 2400, 1, 0).keys(|_, _, _| 0.0).values(|_, _, _| 0.1);
            let constant = Case { window: 2401, band: vec![0.25; 2400 * 2401], ..constant };
            let (k, v, w) = (f64s(&constant.k), f64s(&constant.v), f64s(&constant.band));
            let expected = reference::forward(constant.dims, 2401, Some(&f64s(&constant.q)), &k, &v, &w);
            let y = run_forward(&mut Builder::new(gpu, Placement::Texture), &constant);
            assert_close("y", &y, &expected.y, 0.1 * Tier::Adversarial.relative(0.25));
        }),
        trial(gpu, "aft_mix_local::many_sequences_and_channels", |gpu| {
            check(gpu, &Case::normal(500, 5, 130, 3), Tier::Typical);
        }),
        // On both sides of where the gradient of the biases takes more lanes.
        trial(gpu, "aft_mix_local::band_gradients_of_many_channels", |gpu| {
            for vec4s in [10_500, 62_000, 63_500] {
                check_in(gpu, Placement::Buffer, &Case::normal(1, 4, 4 * vec4s, 4), Tier::Typical);
            }
        }),
        trial(gpu, "aft_mix_local::hostile_keys_and_biases", |gpu| {
            for s in [1, 5, 16, 70] {
                hostile(s).iter().for_each(|case| check(gpu, case, Tier::Adversarial));
            }
        }),
        trial(gpu, "aft_mix_local::tiny_and_huge_values", |gpu| {
            for s in [0, 9] {
                extreme(s).iter().for_each(|case| check(gpu, case, Tier::Adversarial));
            }
        }),
        trial(gpu, "aft_mix_local::finite_in_finite_out", |gpu| {
            for s in [0, 6] {
                beyond(s).iter().for_each(|case| check_finite(gpu, case));
            }
        }),
        trial(gpu, "aft_mix_local::later_keys_and_values_change_no_earlier_bit", |gpu| {
            for s in [0, 1, 6, 16, 90] {
                check_causal(gpu, &Case::normal(2, 90, 5, s));
            }
        }),
        trial(gpu, "aft_mix_local::two_runs_give_the_same_bits", |gpu| {
            for placement in PLACEMENTS {
                let case = Case::normal(2, 150, 7, 20);
                let run = || run_both(&mut Builder::new(gpu, placement), &case).bits();
                assert_eq!(run(), run(), "{placement:?}");
            }
        }),
        trial(gpu, "aft_mix_local::regression_the_window_is_not_off_by_one_and_older_keys_count", |gpu| {
            for s in 1..9 {
                let case = Case::normal(1, 12, 1, s).keys(|_, _, _| 0.0).values(|_, t, _| f32::from(1u16 << t));
                let y = run_forward(&mut Builder::new(gpu, Placement::Buffer), &case.gates(0.0).biases(|_, _, _| -1e4));
                // With the window suppressed, a row is the mean of the keys up to t - s.
                for (t, &y) in y.iter().enumerate().skip(s) {
                    let mean = f64::from((1u32 << (t - s + 1)) - 1) / (t - s + 1) as f64;
                    assert!((f64::from(y) / (0.5 * mean) - 1.0).abs() < 1e-6, "s = {s}, t = {t}: {y}");
                }
            }
        }),
        trial(gpu, "aft_mix_local::regression_the_bias_is_added", |gpu| {
            let case = Case::normal(1, 2, 1, 2).gates(0.0).keys(|_, _, _| 0.0).values(|_, t, _| 8.0 * t as f32);
            let case = case.biases(|_, t, j| if (t, j) == (1, 1) { 3f32.ln() } else { 0.0 });
            let y = run_forward(&mut Builder::new(gpu, Placement::Buffer), &case);
            assert!((y[1] - 3.0).abs() < 1e-6, "{y:?}");
        }),
    ]
}

/// Forward and gradients against the reference.
fn check(gpu: &Gpu, case: &Case, tier: Tier) {
    PLACEMENTS.into_iter().for_each(|placement| check_in(gpu, placement, case, tier));
}

fn check_in(gpu: &Gpu, placement: Placement, case: &Case, tier: Tier) {
    let (q, k, v, w, dy) = (f64s(&case.q), f64s(&case.k), f64s(&case.v), f64s(&case.band), f64s(&case.dy));
    let expected = reference::forward(case.dims, case.window, Some(&q), &k, &v, &w);
    let gradient = reference::gradient(case.dims, case.window, Some(&q), &k, &v, &w, &dy);
    let sizes = Sizes::of(case, &expected);
    let relative = tier.relative(case.spread());
    let actual = run_both(&mut Builder::new(gpu, placement), case);
    let what = |name: &str| format!("{name} {placement:?} {}", case.name());
    close(&what("y"), &actual.y, &expected.y, relative, &sizes.v);
    let nats: Vec<f64> = expected.log_den.iter().map(|l| 1.0 + l.abs()).collect();
    close(&what("log_den"), &actual.log_den, &expected.log_den, relative, &nats);
    close(&what("dq"), &actual.dq, &gradient.dq, relative, &sizes.dq);
    close(&what("dk"), &actual.dk, &gradient.dk, relative, &sizes.dk);
    close(&what("dv"), &actual.dv, &gradient.dv, relative, &sizes.dv);
    close(&what("dband"), &actual.dband, &gradient.dband, relative, &sizes.dband);
    check_convex(&what("y"), case, &actual.y, relative);
}

fn check_finite(gpu: &Gpu, case: &Case) {
    for placement in PLACEMENTS {
        let actual = run_both(&mut Builder::new(gpu, placement), case);
        let what = format!("{placement:?} {}", case.name());
        let bad = actual.parts().iter().position(|part| !part.iter().all(|v| v.is_finite()));
        assert_eq!(bad, None, "{what}: not finite (y, log_den, dq, dk, dv, dband)");
        check_convex(&what, case, &actual.y, Tier::Adversarial.relative(0.0));
    }
}

/// Edits everything from a row on, within and across tiles and strips.
fn check_causal(gpu: &Gpu, case: &Case) {
    let (t, d) = (case.dims.t, case.dims.d);
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let before = run_forward(b, case);
        for (from, value) in [1, 2, 4, 15, 16, 17, 31, 32, 64, t - 1]
            .into_iter()
            .flat_map(|from| [1e4, -1e4, f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|value| (from, value)))
        {
            let edit = |old: f32, row: usize, _| if row >= from { value } else { old };
            let after = run_forward(b, &case.clone().keys(edit).values(edit));
            let earlier =
                |y: &[f32]| -> Vec<u32> { y.chunks(t * d).flat_map(|y| &y[..from * d]).map(|y| y.to_bits()).collect() };
            let what = format!("{placement:?} {}: {value} from row {from} on", case.name());
            assert_eq!(earlier(&before), earlier(&after), "{what}");
            assert_ne!(before[from * d].to_bits(), after[from * d].to_bits(), "no effect, {what}");
        }
    }
}
