//! What implementations of AFT have got wrong, each by the smallest case that tells right from wrong.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::problem;
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        // Multiplied, biases of keys that are 0 would say nothing: 1/2.
        trial(gpu, "failures::biases_add_to_keys_and_do_not_multiply_them", |gpu| {
            let ln3 = 3.0f32.ln();
            let w = [0.0, ln3, ln3, 0.0];
            let problem = plain(SizedForm::Full(Bias::Dense), [1, 2, 1], false, &[0.0; 2], &[0.0, 1.0], &w);
            assert_gives(gpu, &problem, &[0.75, 0.25]);
        }),
        // exp(k) / (its running sum), then summed: 1.5 in row 1.
        trial(gpu, "failures::sums_are_divided_once_and_not_before_they_are_summed", |gpu| {
            assert_gives(gpu, &plain(SizedForm::Simple, [1, 2, 1], true, &[0.0; 2], &[1.0; 2], &[]), &[1.0, 1.0]);
        }),
        // sigmoid(q) softmax(k) v without a sum.
        trial(gpu, "failures::every_row_sums_over_all_keys", |gpu| {
            let problem = plain(SizedForm::Simple, [1, 3, 1], false, &[0.0; 3], &[0.0, 0.0, 3.0], &[]);
            assert_gives(gpu, &problem, &[1.0; 3]);
        }),
        // A window from t - s to t + s - 1 would be off by one, and not symmetric. Inside it a key counts four times.
        trial(gpu, "failures::a_window_ends_before_its_size_on_both_sides", |gpu| {
            let (form, v) = (SizedForm::Local(2, RANK_1), [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
            let mut problem = plain(form, [1, 5, 1], false, &[0.0; 5], &v, &[1.0; 5]);
            problem.w[1] = vec![4.0f32.ln(); 5];
            let rows: [&[usize]; 5] = [&[0, 1], &[0, 1, 2], &[1, 2, 3], &[2, 3, 4], &[3, 4]];
            let weighed = |row: &[usize], causal: bool, t: usize| {
                let (mut num, mut den) = (0.0, 0.0);
                for (key, v) in v.iter().enumerate().filter(|(key, _)| !causal || *key <= t) {
                    let weight = if row.contains(&key) { 4.0 } else { 1.0 };
                    (num, den) = (num + weight * f64::from(*v), den + weight);
                }
                num / den
            };
            for causal in [false, true] {
                problem.causal = causal;
                let expected: Vec<_> = rows.iter().enumerate().map(|(t, row)| weighed(row, causal, t)).collect();
                assert_gives(gpu, &problem, &expected);
            }
        }),
        // The largest bias of a key, subtracted from its column, does not cancel: row 1 would see key 0 alone.
        trial(gpu, "failures::what_is_subtracted_for_stability_cancels", |gpu| {
            let w = [0.0, 50.0, 0.0, 0.0];
            let problem = plain(SizedForm::Full(Bias::Dense), [1, 2, 1], false, &[0.0; 2], &[0.0, 1.0], &w);
            assert_gives(gpu, &problem, &[1.0, 0.5]);
        }),
        // A maximum over the whole sequence leaves the rows before it nothing but underflow, and 0 / 0.
        trial(gpu, "failures::a_large_key_ahead_is_no_division_by_zero", |gpu| {
            let problem = plain(SizedForm::Simple, [1, 3, 1], true, &[-300.0, -301.0, 300.0], &[1.0, 1.0, 5.0], &[]);
            assert_gives(gpu, &problem, &[1.0, 1.0, 5.0]);
        }),
        trial(gpu, "failures::eight_equal_large_keys_do_not_overflow", |gpu| {
            let problem = plain(SizedForm::Simple, [1, 8, 1], true, &[88.0; 8], &[2.0; 8], &[]);
            assert_gives(gpu, &problem, &[2.0; 8]);
        }),
        // Keys themselves as weights would give 3/4 of another sum, and a negative one a division by zero.
        trial(gpu, "failures::conv_weighs_by_the_exponential_of_its_keys", |gpu| {
            let k = [0.0, 3.0f32.ln()];
            for form in [SizedForm::Conv1d(1), SizedForm::Conv2d(1, 2)] {
                assert_gives(gpu, &plain(form, [1, 2, 1], false, &k, &[0.0, 1.0], &[0.0]), &[0.75, 0.75]);
            }
            assert_gives(
                gpu,
                &plain(SizedForm::Conv1d(1), [1, 2, 1], false, &[-1.0, 1.0], &[2.0; 2], &[0.0]),
                &[2.0, 2.0],
            );
        }),
        // A sum over the batch instead of time.
        trial(gpu, "failures::sequences_do_not_mix", |gpu| {
            let problem = plain(SizedForm::Simple, [2, 2, 1], false, &[0.0; 4], &[1.0, 3.0, 10.0, 30.0], &[]);
            assert_gives(gpu, &problem, &[2.0, 2.0, 20.0, 20.0]);
        }),
        trial(gpu, "failures::a_row_without_keys_is_zero_and_hands_nothing_on", rows_without_keys),
        trial(gpu, "failures::six_layers_with_large_keys_stay_finite", six_layers),
    ]
}

/// Asserts an output in both placements.
fn assert_gives(gpu: &Gpu, problem: &Problem, expected: &[f64]) {
    for placement in PLACEMENTS {
        let y = run(gpu, problem, placement).y;
        for (y, expected) in y.iter().zip(expected) {
            // A few roundings.
            let near = (f64::from(*y) - expected).abs() <= 1e-6 * expected.abs();
            assert!(near, "{}, {placement:?}: {y}, expected {expected}", describe(problem));
        }
    }
}

fn rows_without_keys(gpu: &Gpu) {
    for (form, dims, heads, causal) in aft_wgpu::check::forms() {
        for first in [5, dims.t] {
            let mut problem = problem(form, dims, heads, causal);
            let keys = problem.key_dims();
            let present = |i: usize| i % dims.t >= first;
            problem.mask = Some((0..dims.b * dims.t).map(present).collect());
            // What is masked may be anything.
            problem.k.iter_mut().enumerate().filter(|(i, _)| !present(i / keys.d)).for_each(|(_, k)| *k = f32::NAN);
            problem
                .v
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| !present(i / dims.d))
                .for_each(|(_, v)| *v = f32::INFINITY);
            let truth = problem.truth();
            for placement in PLACEMENTS {
                let outcome = run(gpu, &problem, placement);
                assert_true(&format!("{placement:?}"), &problem, &truth, &outcome);
                let gradients = outcome.gradients.unwrap();
                let empty = |at: &usize| at / dims.d % dims.t < first && (causal || first == dims.t);
                let rows = (0..dims.size()).filter(empty);
                let clean = rows.clone().all(|at| outcome.y[at] == 0.0 && gradients.dq[at] == 0.0);
                assert!(clean && rows.count() > 0 || !(causal || first == dims.t), "{}", describe(&problem));
                let masked = (0..dims.size()).filter(|at| !present(at / dims.d)).all(|at| gradients.dv[at] == 0.0);
                let masked_keys = (0..keys.size()).filter(|at| !present(at / keys.d)).all(|at| gradients.dk[at] == 0.0);
                assert!(masked && masked_keys, "{}: a masked key gets a gradient", describe(&problem));
            }
        }
    }
}

/// Six AFT-full layers with a residual, keys and biases of hundreds: forward, and back.
fn six_layers(gpu: &Gpu) {
    const LAYERS: usize = 6;
    let dims = Dims { b: 2, t: 64, d: 8 };
    for causal in [true, false] {
        let mut x = normal(1, dims.size());
        let mut layers = Vec::new();
        for layer in 0..LAYERS {
            let mut problem = problem(SizedForm::Full(Bias::Dense), dims, 1, causal);
            problem.k = x.iter().map(|x| 100.0 * x).collect();
            problem.w[0] = normal(20 + layer as u32, dims.t * dims.t).iter().map(|w| 100.0 * w).collect();
            (problem.q, problem.v) = (x.clone(), x.clone());
            let outcome = run(gpu, &Problem { dy: None, ..problem.clone() }, Placement::Buffer);
            x.iter_mut().zip(&outcome.y).for_each(|(x, y)| *x += y);
            layers.push(problem);
        }
        // A residual at most doubles what is there.
        let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(x.iter().all(|x| x.is_finite()) && largest < 5.0 * 64.0, "{largest}");
        let mut dy = normal(2, dims.size());
        for problem in layers.iter_mut().rev() {
            // Keys of this size make steep gradients: each layer starts with one of size 1.
            let size = dy.iter().fold(0.0f32, |m, d| m.max(d.abs()));
            dy.iter_mut().for_each(|d| *d /= size);
            problem.dy = Some(dy.clone());
            let outcome = run(gpu, problem, Placement::Texture);
            assert_true("six layers", problem, &problem.truth(), &outcome);
            let got = outcome.gradients.unwrap();
            for (i, d) in dy.iter_mut().enumerate() {
                *d += got.dq[i] + 100.0 * got.dk[i] + got.dv[i];
            }
        }
        assert!(dy.iter().all(|d| d.is_finite()) && dy.iter().any(|d| *d != 0.0));
    }
}
