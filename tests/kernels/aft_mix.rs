//! AFT in every form against the reference, gradients included: odd shapes, hostile values, masks.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::{ExpError, VALUES, Values, forms, judge, masked, problem, with};
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, Target};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

/// The software drivers' exp is within what the tolerance has for rounding.
const EXP: ExpError = ExpError { base: 0.0, slope: 0.0 };

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    let mut all = of_any_plan(gpu);
    if gpu.as_ref().is_none_or(|gpu| gpu.tuning().target == Target::Cpu) {
        all.extend(of_processors(gpu));
    }
    all
}

fn of_any_plan(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_mix::every_form_with_every_family_of_values", |gpu| {
            for (form, dims, heads, causal) in forms() {
                for values in VALUES {
                    check(gpu, &with(problem(form, dims, heads, causal), values), values);
                }
            }
        }),
        trial(gpu, "aft_mix::every_form_masked_and_without_a_gate", |gpu| {
            for (form, dims, heads, causal) in forms() {
                check(gpu, &masked(problem(form, dims, heads, causal)), Values::Normal);
                check(gpu, &Problem { gated: false, ..problem(form, dims, heads, causal) }, Values::Normal);
            }
        }),
        trial(gpu, "aft_mix::simple_masked_in_one_strip_and_in_several", |gpu| {
            for t in [12, 40, 300, 1000] {
                for causal in [true, false] {
                    let problem = problem(SizedForm::Simple, Dims { b: 2, t, d: 5 }, 1, causal);
                    check(gpu, &masked(problem), Values::Normal);
                }
            }
        }),
        // On a GPU several strips, and more columns than a workgroup has threads.
        trial(gpu, "aft_mix::rows_of_260_channels", |gpu| wide(gpu, Dims { b: 1, t: 40, d: 260 }, 8)),
        trial(gpu, "aft_mix::odd_shapes", |gpu| {
            for (b, t, d) in [(1, 1, 1), (3, 2, 5), (1, 5, 3), (2, 17, 8), (1, 130, 4), (1, 300, 3)] {
                let dims = Dims { b, t, d };
                for causal in [true, false] {
                    check(gpu, &problem(SizedForm::Simple, dims, 1, causal), Values::Normal);
                    for s in [0, 1, 2, 4, 6, t, t + 3] {
                        for bias in [Bias::Dense, Bias::Factors(3)] {
                            check(gpu, &problem(SizedForm::Local(s, bias), dims, 1, causal), Values::Normal);
                        }
                    }
                    for (s, heads) in [(1, 1), (3, d), (t | 1, 1), (2 * t + 1, d)] {
                        check(gpu, &problem(SizedForm::Conv1d(s), dims, heads, causal), Values::Normal);
                        check(gpu, &problem(SizedForm::Conv2d(s.min(7), t), dims, heads, causal), Values::Normal);
                    }
                    check(gpu, &problem(SizedForm::Conv2d(3, 1), dims, 1, causal), Values::Normal);
                }
                check(gpu, &problem(SizedForm::Conv1d(4), dims, 1, true), Values::Normal);
            }
        }),
    ]
}

/// Of shapes that are planned otherwise for processors alone. (Panels in several levels for any: `tests/forms/panels.rs`.)
fn of_processors(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        // A thread has four columns, or eight of D = 385; of D = 516 it may have none at all.
        trial(gpu, "aft_mix::wide_rows_in_several_strips", |gpu| {
            for (b, t, d) in [(2, 264, 97), (2, 132, 385), (1, 132, 516)] {
                wide(gpu, Dims { b, t, d }, 44);
            }
        }),
        // A thread has several tiles of rows.
        trial(gpu, "aft_mix::full_over_2050", |gpu| {
            for (bias, causal) in [(Bias::Dense, false), (Bias::Factors(3), true)] {
                let problem = problem(SizedForm::Full(bias), Dims { b: 1, t: 2050, d: 3 }, 1, causal);
                check(gpu, &masked(problem), Values::Normal);
            }
        }),
        trial(gpu, "aft_mix::windows_of_1100_and_2100", |gpu| {
            for (s, causal) in [(1100, false), (2100, true)] {
                let problem = problem(SizedForm::Local(s, Bias::Factors(3)), Dims { b: 1, t: 2302, d: 2 }, 1, causal);
                check(gpu, &masked(problem), Values::Normal);
            }
        }),
    ]
}

/// Every form with sums without biases, with and without what a gradient needs.
fn wide(gpu: &Gpu, dims: Dims, columns: usize) {
    for causal in [true, false] {
        for form in [SizedForm::Simple, SizedForm::Local(5, Bias::Dense), SizedForm::Conv2d(3, columns)] {
            let problem = masked(problem(form, dims, 1, causal));
            check(gpu, &problem, Values::Normal);
            check(gpu, &Problem { dy: None, ..problem }, Values::Normal);
        }
        // A grid whose rows are cut in segments.
        check(gpu, &problem(SizedForm::Conv2d(3, dims.t), dims, 1, causal), Values::Normal);
    }
}

fn check(gpu: &Gpu, problem: &Problem, values: Values) {
    let truth = problem.truth();
    for placement in PLACEMENTS {
        let outcome = pollster::block_on(problem.run(gpu, placement)).unwrap();
        let Problem { form, dims, heads, causal, .. } = problem;
        for verdict in judge(problem, &truth, &outcome, EXP) {
            assert!(
                verdict.ratio <= 1.0,
                "{form:?} {dims:?} H = {heads}, causal {causal}, {values:?}, {placement:?}: {verdict:?}"
            );
        }
    }
}
