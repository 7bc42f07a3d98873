//! Sequences longer than a loop of some drivers may run, than a dispatch is wide, and as long as there may be: samples of each
//! output against the reference.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::problem;
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::reference::aft::{Inputs, sample};
use aft_wgpu::reference::{Dims, compare::widen};
use libtest_mimic::Trial;

use crate::common::*;
use crate::harness::trial;

const LENGTHS: [usize; 4] = [65_535, 65_536, 70_000, 131_072];

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    let mut all = Vec::new();
    for t in LENGTHS {
        all.push(trial(gpu, format!("long::simple_local_and_conv_over_{t}"), move |gpu| {
            let dims = Dims { b: 1, t, d: 4 };
            for causal in [true, false] {
                check(gpu, &problem(SizedForm::Simple, dims, 1, causal), &[0, 3]);
                check(gpu, &problem(SizedForm::Local(5, Bias::Dense), dims, 1, causal), &[0, 3]);
                check(gpu, &problem(SizedForm::Conv1d(5), dims, 4, causal), &[0, 3]);
            }
        }));
    }
    all.push(trial(gpu, "long::a_window_of_factors_over_131072", |gpu| {
        for causal in [true, false] {
            let problem = problem(SizedForm::Local(5, Bias::Factors(4)), Dims { b: 1, t: 131_072, d: 4 }, 1, causal);
            let (outcome, truth) = (run(gpu, &problem, Placement::Buffer), problem.truth());
            let (got, truth_of) = (outcome.gradients.unwrap(), truth.gradients.unwrap());
            close(&problem, "y", &outcome.y, &truth.y);
            close(&problem, "dq", &got.dq, &truth_of.dq);
            close(&problem, "dk", &got.dk, &truth_of.dk);
            close(&problem, "dv", &got.dv, &truth_of.dv);
            for (name, got, truth) in
                [("du", 0), ("dv of factors", 1)].map(|(name, i)| (name, &got.dw[i], &truth_of.dw[i]))
            {
                close(&problem, name, got, truth);
            }
        }
    }));
    all.push(trial(gpu, "long::equal_terms_do_not_drift", |gpu| {
        for causal in [true, false] {
            let mut problem = problem(SizedForm::Simple, Dims { b: 1, t: 131_072, d: 4 }, 1, causal);
            problem.k.fill(-0.3);
            problem.v.fill(0.7);
            check(gpu, &problem, &[0, 3]);
        }
    }));
    all.push(trial(gpu, "long::sums_of_large_values_stay_in_range", |gpu| {
        for causal in [true, false] {
            check(gpu, &huge(SizedForm::Simple, Dims { b: 1, t: 131_072, d: 4 }, causal), &[0, 3]);
            let dims = Dims { b: 1, t: 1024, d: 4 };
            for form in [SizedForm::Simple, SizedForm::Full(Bias::Dense), SizedForm::Full(Bias::Factors(3))] {
                let problem = huge(form, dims, causal);
                let truth = problem.truth();
                for placement in PLACEMENTS {
                    assert_true(&format!("{placement:?}"), &problem, &truth, &run(gpu, &problem, placement));
                }
            }
        }
    }));
    // More work than a submission may have: dispatches come in pieces.
    all.push(trial(gpu, "long::a_grid_of_64_by_64", |gpu| {
        for causal in [true, false] {
            let problem = problem(SizedForm::Conv2d(3, 64), Dims { b: 1, t: 4096, d: 8 }, 2, causal);
            for placement in PLACEMENTS {
                check_in(gpu, &problem, &[0, 1], placement);
            }
        }
    }));
    all.push(trial(gpu, "long::a_grid_of_128_by_128", |gpu| {
        for causal in [true, false] {
            check(gpu, &problem(SizedForm::Conv2d(7, 128), Dims { b: 1, t: 16_384, d: 4 }, 2, causal), &[0, 1]);
        }
    }));
    // Rows of a grid in segments, shorter than the larger kernel reaches, of several sequences and under a mask.
    all.push(trial(gpu, "long::rows_of_a_grid_in_segments", |gpu| {
        for (causal, size) in [(true, 5), (false, 5), (true, 261), (false, 261)] {
            let mut problem = problem(SizedForm::Conv2d(size, 300), Dims { b: 2, t: 600, d: 3 }, 3, causal);
            problem.mask = Some((0..2 * 600).map(|i| i % 7 != 3 && i / 40 % 5 != 2).collect());
            let truth = problem.truth();
            for placement in PLACEMENTS {
                assert_true(&format!("{placement:?}"), &problem, &truth, &run(gpu, &problem, placement));
            }
        }
    }));
    // A single row or column, with more taps than a level of sums has terms, too.
    all.push(trial(gpu, "long::grids_of_one_row_and_of_one_column", |gpu| {
        let dims = Dims { b: 1, t: 3000, d: 4 };
        for (causal, columns) in [(true, 1), (false, 1), (true, 3000), (false, 3000)] {
            for size in [5, 41] {
                for placement in PLACEMENTS {
                    check_in(gpu, &problem(SizedForm::Conv2d(size, columns), dims, 2, causal), &[0, 1], placement);
                }
            }
        }
    }));
    all.push(trial(gpu, "long::a_grid_of_equal_terms_and_of_the_largest_values", |gpu| {
        for causal in [true, false] {
            let mut equal = problem(SizedForm::Conv2d(5, 128), Dims { b: 1, t: 16_384, d: 4 }, 1, causal);
            equal.k.fill(-0.3);
            equal.w[0].fill(0.2);
            equal.v.fill(0.7);
            check(gpu, &equal, &[0]);
            let large = huge(SizedForm::Conv2d(3, 64), Dims { b: 1, t: 4096, d: 4 }, causal);
            PLACEMENTS.into_iter().for_each(|placement| check_in(gpu, &large, &[0], placement));
        }
    }));
    if std::env::var_os("AFT_TEST_ALL").is_some() {
        all.push(trial(gpu, "long::full_over_65536", |gpu| {
            let dims = Dims { b: 1, t: 65_536, d: 4 };
            let start = std::time::Instant::now();
            let problem = problem(SizedForm::Full(Bias::Factors(4)), dims, 1, true);
            check(gpu, &problem, &[0]);
            eprintln!("AFT-full over 65,536 positions, with its reference: {:.0} s", start.elapsed().as_secs_f64());
        }));
    }
    all
}

/// Equal keys, |dy| = 1e18 and |v| = 1e15, but every fourth value 0: sums over 131,072 rows just stay in f32.
fn huge(form: SizedForm, dims: Dims, causal: bool) -> Problem {
    let mut problem = problem(form, dims, 1, causal);
    problem.k.fill(0.0);
    problem.v.iter_mut().enumerate().for_each(|(i, v)| *v = if i / dims.d % 4 == 3 { 0.0 } else { 1e15 });
    problem.dy.as_mut().unwrap().fill(1e18);
    problem
}

/// Holds a layer in buffers against the reference: textures end at 8,192 rows.
fn check(gpu: &Gpu, problem: &Problem, heads: &[usize]) {
    check_in(gpu, problem, heads, Placement::Buffer);
}

/// Holds 8 rows of y, dq, dk and dv of the `heads`, and, where biases are not factors, 64 entries of dw against the reference.
fn check_in(gpu: &Gpu, problem: &Problem, heads: &[usize], placement: Placement) {
    let outcome = run(gpu, problem, placement);
    let got = outcome.gradients.unwrap();
    let Dims { t, d, .. } = problem.dims;
    let (q, k, v) = (widen(&problem.q), widen(&problem.k), widen(&problem.v));
    let dy = widen(problem.dy.as_ref().unwrap());
    let (dims, causal) = (problem.dims, problem.causal);
    let inputs = Inputs { dims, heads: problem.key_dims().d, causal, q: Some(&q), k: &k, v: &v, mask: None };
    let layout = problem.layout();
    let parts = [widen(&problem.w[0]), widen(&problem.w[1])];
    let rows = [0, 1, 255, t / 3, t / 2 + 1, 65_534.min(t - 3), t - 2, t - 1];
    if let Some(rank) = problem.rank() {
        full(problem, &outcome.y, &got.dk, &got.dv, rank);
        return;
    }
    let y = sample::rows(&inputs, layout.as_ref(), &parts[0], &rows).y;
    let y_got: Vec<f32> = rows.iter().flat_map(|row| &outcome.y[row * d..][..d]).copied().collect();
    close(problem, "y", &y_got, &y);
    let mut terms = 0.0;
    for &head in heads {
        let of_head = |dy: &[f64]| sample::head(&inputs, layout.as_ref(), &parts[0], dy, 0, head);
        let truth = of_head(&dy);
        let columns = |all: &[f32], width: usize| -> Vec<f32> {
            all.chunks(width * inputs.key_dims().d).flat_map(|row| &row[head * width..][..width]).copied().collect()
        };
        let size = inputs.head_size();
        // Where a difference leaves next to nothing, it is held to its terms: the sum of p |G| (|v| + |r|).
        terms = 2.0 * largest(&v) * largest(&of_head(&magnitudes(&dy)).dv);
        close_to(problem, "dk", &columns(&got.dk, 1), &truth.dk, size_of(&truth.dk, terms, 1e-3));
        close(problem, "dv", &columns(&got.dv, size), &truth.dv);
        close(problem, "dq", &columns(&got.dq, size), &truth.dq);
    }
    let entries: Vec<_> = (0..64usize).map(|i| i * layout.size().saturating_sub(1) / 63).collect();
    if layout.size() > 0 {
        let truth = sample::entries(&inputs, layout.as_ref(), &parts[0], &dy, &entries);
        let dw: Vec<_> = entries.iter().map(|entry| got.dw[0][*entry]).collect();
        // Terms that cancel exactly leave roundings of f64; in every other case here at least 6e-7 of them are left, and errors
        // are at most 3.4e-6 of that.
        close_to(problem, "dw", &dw, &truth, size_of(&truth, terms, 1e-12));
    }
}

/// AFT-full in channel 0, without an array of T x T: biases of a row are made when they are read.
fn full(problem: &Problem, y: &[f32], dk: &[f32], dv: &[f32], rank: usize) {
    let Dims { t: t_count, d, .. } = problem.dims;
    let at = |values: &[f32]| values.iter().step_by(d).map(|v| f64::from(*v)).collect::<Vec<_>>();
    let (q, k, v, dy) = (at(&problem.q), at(&problem.k), at(&problem.v), at(problem.dy.as_ref().unwrap()));
    let [u, w] = [widen(&problem.w[0]), widen(&problem.w[1])];
    let (mut y_truth, mut dk_truth, mut dv_truth) = (Vec::new(), vec![0.0; t_count], vec![0.0; t_count]);
    let mut weights = vec![0.0; t_count];
    for t in 0..t_count {
        let u = &u[t * rank..][..rank];
        let bias = |key: usize| u.iter().zip(&w[key * rank..][..rank]).map(|(u, v)| u * v).sum::<f64>();
        let (mut num, mut den) = (0.0, 0.0);
        for key in 0..=t {
            weights[key] = (k[key] + bias(key)).exp();
            (num, den) = (num + weights[key] * v[key], den + weights[key]);
        }
        let (gate, mean) = (1.0 / (1.0 + (-q[t]).exp()), num / den);
        y_truth.push(gate * mean);
        let share = gate * dy[t] / den;
        for key in 0..=t {
            let pg = weights[key] * share;
            dv_truth[key] += pg;
            dk_truth[key] += pg * (v[key] - mean);
        }
    }
    let column = |all: &[f32]| all.iter().step_by(d).copied().collect::<Vec<_>>();
    close(problem, "y", &column(y), &y_truth);
    close(problem, "dk", &column(dk), &dk_truth);
    close(problem, "dv", &column(dv), &dv_truth);
}

/// Two-level sums are good to 1e-5 of the largest, whatever T is.
fn close(problem: &Problem, name: &str, got: &[f32], truth: &[f64]) {
    close_to(problem, name, got, truth, largest(truth));
}

/// The same, of results whose terms add up to `size`.
fn close_to(problem: &Problem, name: &str, got: &[f32], truth: &[f64], size: f64) {
    assert_eq!(got.len(), truth.len());
    for (i, (got, truth)) in got.iter().zip(truth).enumerate() {
        let error = (f64::from(*got) - truth).abs();
        assert!(error <= 1e-5 * size, "{}: {name}[{i}] is {got}, expected {truth}", describe(problem));
    }
}

/// What results are held to: the largest of them, or their terms, where less than `share` is left of these.
fn size_of(truth: &[f64], terms: f64, share: f64) -> f64 {
    let left = largest(truth);
    if left < share * terms { terms } else { left }
}

fn magnitudes(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| v.abs()).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}
