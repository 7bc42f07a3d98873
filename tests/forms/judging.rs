//! The check itself: what is right passes, and what is wrong is found.

use aft_wgpu::Error;
use aft_wgpu::apply::{Outcome, Problem};
use aft_wgpu::check::{Exponential, Line, check, forms, judge, problem};
use aft_wgpu::form::SizedForm;
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "judging::a_wrong_element_of_any_output_is_red", |gpu| {
            for (form, dims, heads, causal) in forms() {
                let problem = problem(form, dims, heads, causal);
                let (truth, outcome) = (problem.truth(), run(gpu, &problem, Placement::Buffer));
                let green = judge(&problem, &truth, &outcome, EXP);
                assert!(green.iter().all(|verdict| verdict.ratio <= 1.0), "{}", describe(&problem));
                for (output, name) in green.iter().map(|verdict| verdict.output).enumerate() {
                    for wrong in [f32::NAN, f32::INFINITY, 1e-3] {
                        let mut outcome = outcome.clone();
                        spoil(&mut outcome, output, wrong);
                        let red = judge(&problem, &truth, &outcome, EXP);
                        let failed: Vec<_> = red.iter().filter(|v| v.ratio > 1.0).map(|v| v.output).collect();
                        assert_eq!(failed, [name], "{}: {wrong}", describe(&problem));
                        let mut line = Line::new("spoiled");
                        line.add("", &red);
                        assert!(!line.passes());
                    }
                }
            }
        }),
        trial(gpu, "judging::a_layer_that_is_no_stream_is_refused", |gpu| {
            let dims = Dims { b: 1, t: 12, d: 2 };
            let plain = problem(SizedForm::Simple, dims, 1, true);
            let stream = |problem: &Problem| pollster::block_on(problem.stream(gpu, Placement::Buffer, 5));
            assert!(stream(&plain).is_ok());
            let no_stream = [
                Problem { causal: false, ..plain.clone() },
                Problem { gated: false, ..plain.clone() },
                Problem { mask: Some(vec![true; 12]), ..plain },
                problem(SizedForm::Conv2d(3, 4), dims, 1, true),
            ];
            for problem in no_stream {
                assert!(matches!(stream(&problem), Err(Error::Config(_))), "{}", describe(&problem));
            }
        }),
        trial(gpu, "judging::the_whole_check_passes_here", |gpu| {
            let exp = pollster::block_on(Exponential::measure(gpu)).unwrap();
            assert!(exp.conforms(), "{exp:?}");
            let mut names = Vec::new();
            let report = pollster::block_on(check(gpu, exp, |line| names.push(line.name.clone()))).unwrap();
            let failed: Vec<_> = report.forms.iter().filter(|line| !line.passes()).collect();
            assert!(report.passed && failed.is_empty(), "{failed:?}");
            assert_eq!(names, report.forms.iter().map(|line| line.name.clone()).collect::<Vec<_>>());
            // 14 forms, 4 of them over streams, 12 kernels around them.
            assert_eq!((report.forms.len(), names.iter().filter(|name| name.starts_with("AFT-")).count()), (32, 18));
        }),
    ]
}

/// Puts a wrong number into the largest element of an output, in the order of the verdicts: a thousandth off, or no number.
fn spoil(outcome: &mut Outcome<f32>, output: usize, wrong: f32) {
    let gradients = outcome.gradients.as_mut().unwrap();
    let [first, second] = &mut gradients.dw;
    let values = match output {
        0 => &mut outcome.y,
        1 => &mut gradients.dq,
        2 => &mut gradients.dk,
        3 => &mut gradients.dv,
        4 => first,
        _ => second,
    };
    let largest = values.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
    *largest = if wrong.is_finite() { *largest * (1.0 + wrong) } else { wrong };
}
