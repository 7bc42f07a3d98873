//! What holds of every layer, over random forms, shapes and values; a failure names its seed, which AFT_TEST_SEED repeats.

use std::time::{SystemTime, UNIX_EPOCH};

use aft_wgpu::apply::{Outcome, Problem};
use aft_wgpu::check::{forms, problem};
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::random::below;
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "properties::random_layers_are_true", |gpu| {
            for seed in seeds(40) {
                let problem = random(seed);
                let placement = PLACEMENTS[seed as usize % 2];
                let outcome = run(gpu, &problem, placement);
                assert_true(&format!("seed {seed}, {placement:?}"), &problem, &problem.truth(), &outcome);
            }
        }),
        trial(gpu, "properties::an_output_is_a_mean_of_the_values", |gpu| {
            for seed in seeds(40) {
                let mut problem = Problem { gated: false, dy: None, ..random(seed) };
                // Keys from harmless to far beyond what an exponential holds.
                let scale = [1.0, 30.0, 1e4, 1e30][seed as usize % 4];
                problem.k.iter_mut().for_each(|k| *k = (*k * scale).clamp(-1e30, 1e30));
                let y = run(gpu, &problem, PLACEMENTS[seed as usize % 2]).y;
                let Dims { t, d, .. } = problem.dims;
                for (i, y) in y.iter().enumerate() {
                    let (b, c) = (i / (t * d), i % d);
                    let largest = (0..t).map(|t| problem.v[problem.dims.at(b, t, c)].abs()).fold(0.0, f32::max);
                    // Rounding of two sums and their quotient.
                    let inside = y.abs() <= largest * (1.0 + 32.0 * f32::EPSILON);
                    assert!(inside, "seed {seed}, {}: y[{i}] = {y}, values up to {largest}", describe(&problem));
                }
            }
        }),
        trial(gpu, "properties::finite_inputs_give_finite_outputs", |gpu| {
            for (form, dims, heads, causal) in forms() {
                for (i, [k, w, v, dy, q]) in FINITE.into_iter().enumerate() {
                    let mut problem = problem(form, dims, heads, causal);
                    problem.k.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0) * k);
                    // Factors multiply.
                    let w = if problem.rank().is_some() { w.sqrt() } else { w };
                    problem.w.iter_mut().flatten().for_each(|x| *x = x.clamp(-1.0, 1.0) * w);
                    problem.v.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0) * v);
                    problem.q.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0) * q);
                    problem.dy.as_mut().unwrap().iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0) * dy);
                    let outcome = run(gpu, &problem, PLACEMENTS[i % 2]);
                    assert!(
                        outputs(&outcome).all(f32::is_finite),
                        "{}: k {k:e}, w {w:e}, v {v:e}, dy {dy:e}, q {q:e}",
                        describe(&problem)
                    );
                }
            }
        }),
        trial(gpu, "properties::keys_and_biases_beyond_the_domain_count_as_its_end", |gpu| {
            for (form, dims, heads, causal) in forms() {
                let mut far = problem(form, dims, heads, causal);
                if far.rank().is_some() {
                    continue;
                }
                let beyond = far.k.iter_mut().step_by(2).chain(far.w[0].iter_mut().step_by(3));
                beyond.enumerate().for_each(|(i, x)| *x = [f32::MAX, 1e31][i % 2].copysign(*x));
                let mut end = far.clone();
                end.k.iter_mut().chain(&mut end.w[0]).for_each(|x| *x = x.clamp(-1e30, 1e30));
                for placement in PLACEMENTS {
                    let [far, end] = [&far, &end].map(|problem| run(gpu, problem, placement));
                    let same = outputs(&far).zip(outputs(&end)).all(|(far, end)| far.to_bits() == end.to_bits());
                    assert!(same, "{form:?}, causal {causal}, {placement:?}");
                }
            }
        }),
        trial(gpu, "properties::a_second_run_gives_the_same_bits", |gpu| {
            for (form, dims, heads, causal) in forms() {
                let problem = problem(form, dims, heads, causal);
                for placement in PLACEMENTS {
                    let [one, other] = [(); 2].map(|()| run(gpu, &problem, placement));
                    let same = outputs(&one).zip(outputs(&other)).all(|(one, other)| one.to_bits() == other.to_bits());
                    assert!(same, "{}, {placement:?}", describe(&problem));
                }
            }
        }),
        trial(gpu, "properties::scales_of_values_crossed_with_spreads_of_keys", |gpu| {
            let mut turn = 0;
            for (form, dims, heads, causal) in forms() {
                for spread in [40.0, 44.0, 48.0, 60.0] {
                    for [v, dy] in [[1e-9, 1e-9], [1e-9, 1e18], [1e18, 1e-9], [1e18, 1e18], [1e30, 1e-9]] {
                        let mut problem = problem(form, dims, heads, causal);
                        problem.k = uniform(11, problem.k.len()).iter().map(|u| spread * (u - 0.5)).collect();
                        problem.v.iter_mut().for_each(|x| *x *= v);
                        problem.dy.as_mut().unwrap().iter_mut().for_each(|x| *x *= dy);
                        turn += 1;
                        let outcome = run(gpu, &problem, PLACEMENTS[turn % 2]);
                        let what = format!("spread {spread}, v {v:e}, dy {dy:e}");
                        assert_true(&what, &problem, &problem.truth(), &outcome);
                    }
                }
            }
        }),
    ]
}

/// Scales of k, w, v, dy and q at the ends of the domain.
const FINITE: [[f32; 5]; 11] = [
    [1e30, 1.0, 1.0, 1.0, 1.0],
    [1.0, 1e30, 1.0, 1.0, 1.0],
    [1e30, 1e30, 1e18, 1.0, 1.0],
    [1e-30, 1e-30, 1.0, 1.0, 1e-30],
    [1.0, 1.0, 1e30, 1.0, 1.0],
    [1.0, 1.0, 1.0, 1e30, 1.0],
    [1.0, 1e30, 1e-30, 1e-30, 1.0],
    [1e30, 1.0, 1e30, 1e-30, f32::MAX],
    [1e-30, 1e30, 1e-30, 1e18, f32::MIN_POSITIVE],
    [1.0, 1.0, 1.0, 1.0, f32::MAX],
    [1.0, 1.0, 1e18, 1e18, 1.0],
];

/// Seeds of a run.
fn seeds(count: u32) -> std::ops::Range<u32> {
    let first = match std::env::var("AFT_TEST_SEED") {
        Ok(seed) => return seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos(),
    };
    first..first + if std::env::var_os("AFT_TEST_ALL").is_some() { 10 * count } else { count }
}

/// A layer of any form and shape.
fn random(seed: u32) -> Problem {
    let mut draws = 0;
    let mut draw = |bound: usize| {
        draws += 1;
        below([seed, 0x7261_6e64, draws, 0], bound as u64) as usize
    };
    let heads = 1 + draw(3);
    let mut dims = Dims { b: 1 + draw(3), t: 1 + draw(80), d: heads * (1 + draw(4)) };
    let (causal, masked) = (draw(2) == 0, draw(3) == 0);
    let bias = if draw(2) == 0 { Bias::Dense } else { Bias::Factors(1 + draw(9)) };
    let form = match draw(5) {
        0 => SizedForm::Simple,
        1 => SizedForm::Full(bias),
        2 => SizedForm::Local(draw(dims.t + 5), bias),
        3 if causal => SizedForm::Conv1d(1 + draw(2 * dims.t)),
        3 => SizedForm::Conv1d(1 + 2 * draw(dims.t + 3)),
        _ => {
            let [rows, columns] = [1 + draw(9), 1 + draw(9)];
            dims.t = rows * columns;
            SizedForm::Conv2d(1 + 2 * draw(6), columns)
        }
    };
    let mut problem = problem(form, dims, if form.is_conv() { heads } else { 1 }, causal);
    problem.gated = draw(2) == 0;
    problem.mask = masked.then(|| uniform(seed ^ 0x6d61_736b, dims.b * dims.t).iter().map(|u| *u < 0.7).collect());
    let scales = [1.0, 0.1, 10.0];
    let [k, w] = [scales[draw(3)], scales[draw(3)]];
    problem.k = normal(seed, problem.k.len()).iter().map(|x| k * x).collect();
    problem.w.iter_mut().flatten().for_each(|x| *x *= w);
    problem
}

/// The numbers of all outputs.
fn outputs(outcome: &Outcome<f32>) -> impl Iterator<Item = f32> {
    let gradients = outcome.gradients.as_ref().unwrap();
    let all = [&outcome.y, &gradients.dq, &gradients.dk, &gradients.dv, &gradients.dw[0], &gradients.dw[1]];
    all.into_iter().flatten().copied()
}
