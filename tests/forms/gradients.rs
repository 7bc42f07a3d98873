//! Gradients where values have an offset or an outlier: differences of values are what they are made of, and those cancel.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::{Values, forms, problem, with};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "gradients::an_offset_of_the_values_cancels", |gpu| {
            for (form, dims, heads, causal) in forms() {
                check_offset(gpu, &with(problem(form, dims, heads, causal), Values::Offset));
            }
        }),
        trial(gpu, "gradients::an_offset_cancels_over_many_tiles", |gpu| {
            for (form, _, heads, causal) in forms() {
                // A whole number of rows of 7 columns.
                let dims = Dims { b: 1, t: 203, d: 6 };
                check_offset(gpu, &with(problem(form, dims, heads, causal), Values::Offset));
            }
        }),
        trial(gpu, "gradients::one_far_value_of_small_weight", |gpu| {
            for (form, dims, heads, causal) in forms() {
                for (value, key) in [(1e3, -20.0), (1e3, -60.0), (1e18, -20.0), (1e18, -60.0)] {
                    let mut problem = problem(form, dims, heads, causal);
                    let keys = problem.key_dims();
                    let first = |i: usize, d: usize| (i / d).is_multiple_of(dims.t);
                    problem.k.iter_mut().enumerate().filter(|(i, _)| first(*i, keys.d)).for_each(|(_, k)| *k = key);
                    problem.v.iter_mut().enumerate().filter(|(i, _)| first(*i, dims.d)).for_each(|(_, v)| *v = value);
                    let truth = problem.truth();
                    for placement in PLACEMENTS {
                        let what = format!("V_0 = {value:e}, K_0 = {key}, {placement:?}");
                        assert_true(&what, &problem, &truth, &run(gpu, &problem, placement));
                    }
                }
            }
        }),
    ]
}

/// With values of 1,000 + N(0, 1), the error of dK and dw relative to their maximum. It was 9e-4 before values were centred.
fn check_offset(gpu: &Gpu, problem: &Problem) {
    const LIMIT: f64 = 5e-6;
    let truth = problem.truth().gradients.unwrap();
    for placement in PLACEMENTS {
        let got = run(gpu, problem, placement).gradients.unwrap();
        for (name, got, truth) in
            [("dk", &got.dk, &truth.dk), ("dw", &got.dw[0], &truth.dw[0]), ("dw_v", &got.dw[1], &truth.dw[1])]
        {
            let largest = truth.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let error = got.iter().zip(truth).fold(0.0f64, |m, (got, truth)| m.max((f64::from(*got) - truth).abs()));
            assert!(
                error <= LIMIT * largest,
                "{}, {placement:?}: {name} is off by {error:e} of {largest}",
                describe(problem)
            );
        }
    }
}
