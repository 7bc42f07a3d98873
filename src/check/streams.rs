//! Checks of the causal forms as streams: read in chunks of odd sizes, they must give the result of the whole sequence.

use super::cases::{VALUES, Values, problem, with};
use super::exp::ExpError;
use super::judge::judge;
use super::line::Line;
use super::workbench::placements;
use crate::apply::{Outcome, Problem};
use crate::error::Result;
use crate::form::{Bias, SizedForm};
use crate::gpu::Gpu;
use crate::reference::Dims;

/// A form, in several shapes.
pub(super) struct Stream {
    forms: Vec<SizedForm>,
}

/// Small and odd sizes, 5 tokens at a time.
const SMALL: (Dims, usize) = (Dims { b: 2, t: 37, d: 6 }, 5);
/// Several spans of prefix sums, 77 tokens at a time.
const LONG: (Dims, usize) = (Dims { b: 1, t: 300, d: 8 }, 77);

/// All rows.
pub(super) fn table() -> Vec<Stream> {
    let local = [(7, Bias::Factors(5)), (1, Bias::Dense), (36, Bias::Dense), (60, Bias::Dense)];
    let line = |forms| Stream { forms };
    vec![
        line(vec![SizedForm::Simple]),
        line(vec![SizedForm::Full(Bias::Factors(5)), SizedForm::Full(Bias::Dense)]),
        line(local.map(|(window, bias)| SizedForm::Local(window, bias)).into()),
        line([5, 4, 1, 101].map(SizedForm::Conv1d).into()),
    ]
}

impl Stream {
    /// Checks all shapes.
    pub(super) async fn check(&self, gpu: &Gpu, exp: ExpError) -> Result<Line> {
        let mut line = Line::new(format!("{}, stream", self.forms[0].form().title()));
        for (i, &form) in self.forms.iter().enumerate() {
            for (dims, chunk) in [SMALL, LONG] {
                let heads = if form.is_conv() { 2 } else { 1 };
                let plain = Problem { dy: None, ..problem(form, dims, heads, true) };
                // The first shape is checked with every family of values.
                let families = if i == 0 && dims == SMALL.0 { &VALUES[..] } else { &[Values::Normal] };
                for &values in families {
                    hold(&mut line, gpu, exp, values, &with(plain.clone(), values), chunk).await?;
                }
            }
        }
        Ok(line)
    }
}

async fn hold(
    line: &mut Line,
    gpu: &Gpu,
    exp: ExpError,
    values: Values,
    problem: &Problem,
    chunk: usize,
) -> Result<()> {
    let truth = problem.truth();
    for placement in placements(gpu) {
        let y = problem.stream(gpu, placement, chunk).await?;
        let Problem { form, dims: Dims { b, t, d }, .. } = problem;
        let case = format!("{values:?} values, {form:?}, [{b}, {t}, {d}], {chunk} at a time, {placement:?}");
        let verdicts = judge(problem, &truth, &Outcome { y, gradients: None }, exp);
        if values == Values::Normal { line.add(&case, &verdicts) } else { line.add_hostile(&case, &verdicts) }
    }
    Ok(())
}
