//! The result of one check.

use serde::Serialize;

use super::judge::Verdict;

/// The check result of one form of AFT or one other operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name of the form or operation.
    pub name: String,
    /// The largest error in units of its tolerance: at most 1 passes. Infinite (JSON: null) if a result is not finite.
    pub ratio: f64,
    /// For normal values, the largest error relative to the sum of magnitudes in an output.
    pub relative: f64,
    /// The output and the case that gave `ratio`.
    pub worst: String,
    /// Number of outputs compared.
    pub outputs: usize,
    /// The direct f32 evaluation of y, for forms of AFT over whole sequences.
    pub plain: Option<Plain>,
}

/// Accuracy of the equations evaluated directly in f32 ([`crate::apply::Problem::plain`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Plain {
    /// The error of y for normal values, defined as [`Line::relative`].
    pub relative: f64,
    /// Number of value families for which y exceeds the tolerance or is not finite.
    pub wrong: usize,
    /// Number of value families tried.
    pub families: usize,
}

impl Line {
    /// A line without results.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ratio: 0.0, relative: 0.0, worst: String::new(), outputs: 0, plain: None }
    }

    /// Adds the verdicts of a case with normal values.
    pub fn add(&mut self, case: &str, verdicts: &[Verdict]) {
        self.add_hostile(case, verdicts);
        self.relative = verdicts.iter().fold(self.relative, |m, verdict| m.max(verdict.relative));
    }

    /// Adds the verdicts of a case whose values make f32 itself inexact.
    pub fn add_hostile(&mut self, case: &str, verdicts: &[Verdict]) {
        for Verdict { output, ratio, .. } in verdicts {
            let ratio = if ratio.is_nan() { f64::INFINITY } else { *ratio };
            if self.worst.is_empty() || ratio > self.ratio {
                self.ratio = ratio;
                self.worst = format!("{output}, {case}");
            }
            self.outputs += 1;
        }
    }

    /// Whether there are results, and all are within their tolerance.
    pub fn passes(&self) -> bool {
        self.outputs > 0 && self.ratio <= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_good_as_its_worst_output() {
        let verdict = |output, ratio| Verdict { output, ratio, relative: 1e-7 };
        let mut line = Line::new("AFT-simple");
        assert!(!line.passes(), "nothing was compared");
        line.add("all normal", &[verdict("y", 0.25), verdict("dq", 0.5), verdict("dk", 0.125)]);
        assert!(line.passes() && line.ratio == 0.5 && line.worst == "dq, all normal" && line.outputs == 3);
        for bad in [1.001, f64::INFINITY, f64::NAN] {
            let mut line = line.clone();
            line.add_hostile("hostile", &[verdict("dv", bad), verdict("y", 0.0)]);
            assert!(!line.passes() && line.worst == "dv, hostile", "{line:?}");
        }
    }
}
