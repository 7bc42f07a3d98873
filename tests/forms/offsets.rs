//! What is added to all keys cancels: a softmax over time knows differences alone.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::{forms, judge, problem};
use aft_wgpu::gpu::Gpu;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

/// Offsets, and how far apart the numbers of f32 are there.
const OFFSETS: [[f32; 2]; 4] = [[1e4, 1.0 / 1024.0], [1e6, 0.0625], [1e8, 8.0], [-1e8, 8.0]];

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "offsets::an_offset_of_the_keys_changes_no_output", |gpu| {
            for (form, dims, heads, causal) in forms() {
                for [offset, step] in OFFSETS {
                    for spread in [0.0, 10.0] {
                        let mut plain = on_steps(problem(form, dims, heads, causal), step, spread);
                        plain.dy = None;
                        check(gpu, &plain, offset);
                    }
                }
            }
        }),
        // In a gradient weights are e^(k + w - L), and L has the rounding of its size.
        trial(gpu, "offsets::gradients_are_exact_to_an_ulp_of_the_keys", |gpu| {
            for (form, dims, heads, causal) in forms() {
                let mut problem = problem(form, dims, heads, causal);
                problem.k.iter_mut().for_each(|k| *k += 1e4);
                let truth = problem.truth();
                for placement in PLACEMENTS {
                    assert_true(&format!("{placement:?}"), &problem, &truth, &run(gpu, &problem, placement));
                }
            }
        }),
    ]
}

/// Keys up to some `spread` and biases up to some steps, all multiples of `step`: any sum of them with an offset is exact.
fn on_steps(mut problem: Problem, step: f32, spread: f32) -> Problem {
    let stepped = |x: f32| step * (x / step).round();
    problem.k.iter_mut().for_each(|k| *k = stepped(*k * spread));
    let factors = problem.rank().is_some();
    let [first, second] = &mut problem.w;
    first.iter_mut().for_each(|w| *w = stepped(*w * if factors { 4.0 } else { 10.0 }));
    second.iter_mut().for_each(|w| *w = w.clamp(-1.0, 1.0).round());
    problem
}

/// Holds y of the problem with an offset against the truth of that without, by a tolerance that knows nothing of the offset.
fn check(gpu: &Gpu, plain: &Problem, offset: f32) {
    let truth = plain.truth();
    let mut moved = plain.clone();
    moved.k.iter_mut().for_each(|k| *k += offset);
    assert!(moved.k.iter().zip(&plain.k).all(|(moved, k)| moved - offset == *k), "a key does not survive the offset");
    for placement in PLACEMENTS {
        for verdict in judge(plain, &truth, &run(gpu, &moved, placement), EXP) {
            assert!(verdict.ratio <= 1.0, "{}, {placement:?}, offset {offset:e}: {verdict:?}", describe(plain));
        }
    }
}
