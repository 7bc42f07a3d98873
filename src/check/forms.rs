//! Checks of all forms with gradients: families of values, windows, sizes, masks, with and without a gate.

use super::cases::{VALUES, Values, masked, problem, with};
use super::exp::ExpError;
use super::judge::judge;
use super::line::{Line, Plain};
use super::workbench::placements;
use crate::apply::{Outcome, Problem};
use crate::error::Result;
use crate::form::{Bias, SizedForm};
use crate::gpu::Gpu;
use crate::reference::Dims;

/// A row of the table: a form of AFT, causal or not, in several shapes.
pub(super) struct Row {
    /// Shapes to check. The first is checked with every family of values.
    shapes: Vec<(SizedForm, Dims, usize)>,
    causal: bool,
}

/// Small and odd sizes.
const SMALL: Dims = Dims { b: 2, t: 37, d: 6 };
/// Several tiles and blocks along time.
const LONG: Dims = Dims { b: 1, t: 300, d: 8 };

/// All rows.
pub(super) fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    for causal in [true, false] {
        let mut row = |shapes: Vec<(SizedForm, Dims, usize)>| rows.push(Row { shapes, causal });
        row(vec![(SizedForm::Simple, SMALL, 1), (SizedForm::Simple, LONG, 1)]);
        for bias in [Bias::Dense, Bias::Factors(5)] {
            row([SMALL, LONG].map(|dims| (SizedForm::Full(bias), dims, 1)).into());
            let windows = [(7, SMALL), (0, SMALL), (1, SMALL), (36, SMALL), (37, SMALL), (60, SMALL), (32, LONG)];
            row(windows.map(|(window, dims)| (SizedForm::Local(window, bias), dims, 1)).into());
        }
        let lines = [(5, SMALL, 3), (1, SMALL, 1), (101, SMALL, 6), (33, LONG, 2)];
        let mut lines: Vec<_> = lines.map(|(size, dims, heads)| (SizedForm::Conv1d(size), dims, heads)).into();
        if causal {
            lines.push((SizedForm::Conv1d(4), SMALL, 2));
        }
        row(lines);
        let grid = |t, d| Dims { b: 2, t, d };
        row(vec![
            (SizedForm::Conv2d(3, 7), grid(35, 6), 3),
            (SizedForm::Conv2d(1, 5), grid(35, 6), 1),
            (SizedForm::Conv2d(9, 3), grid(12, 6), 2),
            (SizedForm::Conv2d(5, 19), grid(19 * 15, 8), 2),
        ]);
    }
    rows
}

impl Row {
    /// Name of the form, such as "AFT-local, factorised, causal".
    fn name(&self) -> String {
        let form = self.shapes[0].0;
        let how = if form.rank().is_some() { ", factorised" } else { "" };
        let end = if self.causal { ", causal" } else { "" };
        format!("{}{how}{end}", form.form().title())
    }

    /// Checks all shapes of the row.
    pub(super) async fn check(&self, gpu: &Gpu, exp: ExpError) -> Result<Line> {
        let mut line = Line::new(self.name());
        for (i, &(form, dims, heads)) in self.shapes.iter().enumerate() {
            let plain = problem(form, dims, heads, self.causal);
            if i == 0 {
                for values in VALUES {
                    let case = with(plain.clone(), values);
                    line.plain.get_or_insert_default().hold(&case, values);
                    Self::hold(&mut line, gpu, exp, values, "", &case).await?;
                }
                Self::hold(&mut line, gpu, exp, Values::Normal, ", masked", &masked(plain.clone())).await?;
                Self::hold(&mut line, gpu, exp, Values::Normal, ", no gate", &Problem { gated: false, ..plain })
                    .await?;
            } else {
                Self::hold(&mut line, gpu, exp, Values::Normal, "", &plain).await?;
            }
        }
        Ok(line)
    }

    async fn hold(
        line: &mut Line,
        gpu: &Gpu,
        exp: ExpError,
        values: Values,
        how: &str,
        problem: &Problem,
    ) -> Result<()> {
        let truth = problem.truth();
        for placement in placements(gpu) {
            let outcome = problem.run(gpu, placement).await?;
            let Problem { form, dims: Dims { b, t, d }, .. } = problem;
            let case = format!("{values:?} values{how}, {form:?}, [{b}, {t}, {d}], {placement:?}");
            let verdicts = judge(problem, &truth, &outcome, exp);
            if values == Values::Normal { line.add(&case, &verdicts) } else { line.add_hostile(&case, &verdicts) }
        }
        Ok(())
    }
}

impl Plain {
    /// Compares the direct f32 evaluation of a problem with the reference. No error of exp is allowed: libm's is exact to
    /// rounding.
    fn hold(&mut self, problem: &Problem, values: Values) {
        let problem = Problem { dy: None, ..problem.clone() };
        let outcome = Outcome { y: problem.plain(), gradients: None };
        let exact = ExpError { base: 0.0, slope: 0.0 };
        for verdict in judge(&problem, &problem.truth(), &outcome, exact) {
            self.families += 1;
            self.wrong += usize::from(verdict.ratio.is_nan() || verdict.ratio > 1.0);
            if values == Values::Normal {
                self.relative = verdict.relative;
            }
        }
    }
}
