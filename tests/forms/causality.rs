//! Causal means causal: whatever a later key or value becomes, no bit of an earlier output changes.

use aft_wgpu::apply::Problem;
use aft_wgpu::check::{forms, problem};
use aft_wgpu::form::SizedForm;
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

/// What later keys and values become.
const EDITS: [f32; 5] = [1e4, -1e4, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Where edits begin: in the first block of four keys, behind it, and at every place of a block.
const STARTS: [usize; 6] = [1, 2, 3, 16, 17, 34];
/// The same at the edge of a tile of 64, and behind the second.
const LATE: [usize; 4] = [63, 64, 129, 130];

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "causality::no_later_edit_changes_an_earlier_bit", |gpu| {
            for (form, dims, heads, _) in forms().into_iter().filter(|(.., causal)| *causal) {
                check(gpu, &problem(form, dims, heads, true), &STARTS);
            }
        }),
        trial(gpu, "causality::over_tiles_and_windows", |gpu| {
            let dims = Dims { b: 1, t: 150, d: 4 };
            for form in [
                SizedForm::Simple,
                SizedForm::Local(32, RANK_1),
                SizedForm::Local(200, RANK_1),
                SizedForm::Full(RANK_1),
            ] {
                check(gpu, &problem(form, dims, 1, true), &LATE);
            }
            for form in [SizedForm::Conv1d(33), SizedForm::Conv2d(5, 15), SizedForm::Conv2d(21, 15)] {
                check(gpu, &problem(form, dims, 2, true), &LATE);
            }
        }),
        // Were the edits lost on the way, nothing could change at all.
        trial(gpu, "causality::an_edit_shows_where_it_may", |gpu| {
            for (form, dims, heads, causal) in forms() {
                let problem = problem(form, dims, heads, causal);
                let before = run(gpu, &problem, Placement::Buffer).y;
                let edited = run(gpu, &edit(&problem, 17, 50.0), Placement::Buffer).y;
                let first = before.iter().zip(&edited).position(|(a, b)| a != b).unwrap() / dims.d;
                assert_eq!(first, if causal { 17 } else { 0 }, "{}", describe(&problem));
            }
        }),
    ]
}

/// The problem with all keys and values from position `from` on moved by, or made, `value`.
fn edit(problem: &Problem, from: usize, value: f32) -> Problem {
    let mut edited = problem.clone();
    let (keys, t_count) = (problem.key_dims(), problem.dims.t);
    let later = |i: usize, d: usize| i / d % t_count >= from;
    edited.k.iter_mut().enumerate().filter(|(i, _)| later(*i, keys.d)).for_each(|(_, k)| *k += value);
    edited.v.iter_mut().enumerate().filter(|(i, _)| later(*i, problem.dims.d)).for_each(|(_, v)| *v -= value);
    edited
}

fn check(gpu: &Gpu, problem: &Problem, starts: &[usize]) {
    for placement in PLACEMENTS {
        let before = run(gpu, problem, placement).y;
        let edits = EDITS.into_iter().flat_map(|value| starts.iter().map(move |&from| (value, from)));
        for (i, (value, from)) in edits.enumerate() {
            let mut edited = edit(problem, from, value);
            // With gradients and without: the forward pass of the former does more.
            if i % 2 == 0 {
                edited.dy = None;
            }
            let after = run(gpu, &edited, placement).y;
            let Dims { t, d, .. } = problem.dims;
            for at in (0..before.len()).filter(|at| at / d % t < from) {
                let same = before[at].to_bits() == after[at].to_bits();
                assert!(same, "{}, {placement:?}: {value} from {from} on changes y[{at}]", describe(problem));
            }
        }
    }
}
