//! `nn/attention`: multi-head softmax attention against the reference, gradients included: odd shapes, hostile values, masks,
//! causality bit for bit, long sequences.

use aft_wgpu::check::{AttentionProblem, ExpError, VALUES, Values};
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::ops::nn::attention::{Attended, Attention, forward};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

/// The software drivers' exp is within what the tolerance has for rounding.
const EXP: ExpError = ExpError { base: 0.0, slope: 0.0 };

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "attention::odd_shapes", |gpu| {
            let shapes = [
                (1, 1, 1, 1),
                (3, 2, 5, 5),
                (1, 5, 6, 2),
                (2, 17, 8, 2),
                (1, 65, 12, 3),
                (2, 130, 36, 1),
                (1, 31, 192, 1),
            ];
            for (b, t, d, heads) in shapes {
                for causal in [true, false] {
                    check(gpu, &AttentionProblem::normal(Dims { b, t, d }, heads, causal), Values::Normal);
                }
            }
        }),
        trial(gpu, "attention::every_family_of_values", |gpu| {
            for causal in [true, false] {
                for values in VALUES {
                    check(gpu, &small(causal).with(values), values);
                }
            }
        }),
        trial(gpu, "attention::values_and_gradients_near_the_ends_of_their_range", |gpu| {
            for (v, dy) in [(1e-9, 1e-9), (1e-9, 1e18), (1e18, 1e-9), (1e18, 1e18)] {
                for values in [Values::Normal, Values::Wide] {
                    let mut problem = small(true).with(values);
                    problem.v.iter_mut().for_each(|x| *x *= v);
                    problem.dy.iter_mut().for_each(|x| *x *= dy);
                    check(gpu, &problem, values);
                }
            }
        }),
        trial(gpu, "attention::the_largest_values_and_gradients_in_a_wide_head", |gpu| {
            // dy v of a head is 5.1e38, past f32; its gradients are not.
            let d = 512;
            for (even, odd, dy) in [(1e18, 1e18, 1e18), (-1e18, -1e18, 1e18), (1e18, -1e18, -1e18)] {
                for causal in [true, false] {
                    let mut problem = AttentionProblem::normal(Dims { b: 1, t: 9, d }, 1, causal);
                    let position = |i: usize| i / d;
                    problem
                        .v
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, v)| *v = if position(i) % 2 == 0 { even } else { odd });
                    problem.dy.fill(dy);
                    check(gpu, &problem, Values::Normal);
                }
            }
        }),
        trial(gpu, "attention::masks", |gpu| {
            for causal in [true, false] {
                check(gpu, &small(causal).masked(), Values::Normal);
                check(gpu, &AttentionProblem::normal(Dims { b: 2, t: 33, d: 6 }, 3, causal).masked(), Values::Normal);
                let mut none = small(causal).masked();
                none.mask = Some(vec![false; none.dims.b * none.dims.t]);
                check(gpu, &none, Values::Normal);
            }
        }),
        trial(gpu, "attention::several_strips_and_panels", |gpu| {
            for causal in [true, false] {
                check(gpu, &AttentionProblem::normal(Dims { b: 2, t: 610, d: 8 }, 2, causal), Values::Normal);
                let long = AttentionProblem::normal(Dims { b: 1, t: 2_300, d: 4 }, 1, causal);
                check(gpu, &long.clone().masked(), Values::Normal);
                check(gpu, &long.with(Values::Ramp), Values::Ramp);
            }
        }),
        trial(gpu, "attention::a_long_sequence_of_equal_scores_is_a_running_mean", |gpu| {
            let t = 20_000;
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let attention = Attention { batch: 1, time: t, channels: 4, heads: 1, causal: true, mask: None };
            let values = normal(1, 4 * t as usize);
            let rows = values.chunks(4).flat_map(|v| [&[0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 3.0, 0.5][..], v].concat());
            let qkv = plane(b, t as usize, 12, &rows.collect::<Vec<_>>());
            let out = Attended::new(b, &attention).unwrap();
            forward(b, &attention, &qkv, &out).unwrap();
            run(b);
            let mut sum = [0.0f64; 4];
            let mean = values.iter().enumerate().map(|(i, v)| {
                sum[i % 4] += f64::from(*v);
                sum[i % 4] / (i / 4 + 1) as f64
            });
            // Sums of 256 blocks of four in each of 20 panels: rounding of some 2e-6 of the largest value, 4.
            assert_close("y", &read(b, &out.y), &mean.collect::<Vec<_>>(), 1e-5);
        }),
        trial(gpu, "attention::later_keys_and_values_change_no_bit", causality),
        trial(gpu, "attention::many_short_sequences", |gpu| {
            // Next to the 8,192 rows that the planes of a processor may have.
            for (b, t, d, heads) in [(256, 32, 8, 2), (1_000, 7, 4, 1), (63, 129, 4, 1), (248, 33, 4, 1)] {
                check(gpu, &AttentionProblem::normal(Dims { b, t, d }, heads, true), Values::Normal);
            }
        }),
        trial(gpu, "attention::what_does_not_fit_is_refused", refusals),
    ]
}

/// Each has planes of the shapes that it asks for, as far as there are such.
fn refusals(gpu: &Gpu) {
    let refused = |batch: u32, time: u32, channels: u32, heads: u32, texts: &[&str]| {
        let b = &mut Builder::new(gpu, Placement::Buffer);
        let attention = Attention { batch, time, channels, heads, causal: true, mask: None };
        let real = [batch, time, channels].map(|n| n.clamp(1, 200_000));
        let rows = if batch > 200_000 { 1 } else { real[0] * real[1] };
        let (qkv, y) =
            (unwritten(b, rows as usize, qkv_cols(real[2]) as usize), unwritten(b, rows as usize, real[2] as usize));
        let log_den = gpu.storage("log_den", 4 * u64::from(rows * heads.max(1))).unwrap();
        let text = forward(b, &attention, &qkv, &Attended { y, log_den }).unwrap_err().to_string();
        assert!(texts.iter().all(|part| text.contains(part)), "{text}");
        text
    };
    refused(1, 131_073, 1, 1, &["131073", "131072"]);
    refused(1, 4, 8, 3, &["3 heads"]);
    // vec4s of a head, counted twice.
    refused(1, 1, 64_004, 1, &["channels of a head", "32002"]);
    for [b, t, d, h] in [[0, 4, 8, 2], [1, 0, 8, 2], [1, 4, 0, 2], [1, 4, 8, 0]] {
        let text = refused(b, t, d, h, &["attention: B, T, D and H are at least 1"]);
        let attention = Attention { batch: b, time: t, channels: d, heads: h, causal: true, mask: None };
        let builder = &mut Builder::new(gpu, Placement::Buffer);
        assert_eq!(Attended::new(builder, &attention).unwrap_err().to_string(), text);
    }
    // 2^32 + 4 rows are 4 in 32 bits.
    let attention = Attention { batch: (1 << 30) + 1, time: 4, channels: 8, heads: 2, causal: true, mask: None };
    let error = Attended::new(&mut Builder::new(gpu, Placement::Buffer), &attention).unwrap_err().to_string();
    assert!(error.contains("4294967300"), "{error}");
    refused(attention.batch, 4, 8, 2, &["4294967300"]);
}

fn small(causal: bool) -> AttentionProblem {
    AttentionProblem::normal(Dims { b: 2, t: 70, d: 16 }, 2, causal)
}

fn check(gpu: &Gpu, problem: &AttentionProblem, values: Values) {
    let truth = problem.truth();
    for placement in PLACEMENTS {
        let outcome = pollster::block_on(problem.run(gpu, placement)).unwrap();
        let AttentionProblem { dims, heads, causal, .. } = problem;
        let what = format!("{dims:?} H = {heads}, causal {causal}, {values:?}, {placement:?}");
        let verdicts = problem.judge(&truth, &outcome, EXP);
        for verdict in &verdicts {
            assert!(verdict.ratio <= 1.0, "{what}: {verdict:?}");
            // Values of a few units, whose scores are a few nats: all that is lost is rounding (measured: 1e-6).
            assert!(values != Values::Normal || verdict.relative <= 4e-6, "{what}: {verdict:?}");
        }
        // y is a mean of values.
        let most = |values: &[f32]| values.iter().filter(|v| v.is_finite()).fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(most(&outcome[0]) <= most(&problem.v) * (1.0 + 1e-5), "{what}: beyond every value");
    }
}

/// Keys and values from a position on are edited, to hostile numbers and to none at all.
fn causality(gpu: &Gpu) {
    let problem = AttentionProblem::normal(Dims { b: 1, t: 150, d: 8 }, 2, true);
    let d = problem.dims.d;
    for placement in PLACEMENTS {
        let bits = |problem: &AttentionProblem, rows: usize| -> Vec<u32> {
            let [y, ..] = pollster::block_on(problem.run(gpu, placement)).unwrap();
            y[..rows * d].iter().map(|y| y.to_bits()).collect()
        };
        let whole = bits(&problem, 150);
        for first in [1, 2, 15, 16, 63, 64, 65, 127, 130, 149] {
            for edit in [1e4, -1e18, f32::NAN, f32::INFINITY] {
                let mut edited = problem.clone();
                edited.k[first * d..].fill(edit);
                edited.v[first * d..].fill(edit);
                assert!(bits(&edited, first) == whole[..first * d], "{placement:?}: {edit} from {first} on");
            }
        }
    }
}
