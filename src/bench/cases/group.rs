//! Groups of cases timed in turns: one operation over T. The machine's speed drifts over minutes; taking turns makes times at
//! different T comparable.

use std::ops::ControlFlow;

use super::case::Case;
use super::{generate, train};
use crate::bench::measure::Measure;
use crate::bench::prepared::Prepared;
use crate::bench::result::{Results, Row, Skipped};
use crate::error::{Error, Result};

/// Cases that differ only in T. A model, or an operation that does not mix positions, is a group of its own.
pub(in crate::bench) struct Group {
    cases: Vec<Case>,
}

impl Group {
    /// All groups in order: short ones first, then attention, the baseline of the others, and AFT-full last, because a slow
    /// device may not have time for everything.
    pub(in crate::bench) fn all(cases: Vec<Case>) -> Vec<Self> {
        let without_length = |case: &Case| Row { T: None, ..case.row() };
        let mut groups: Vec<Self> = Vec::new();
        for case in cases {
            let belongs =
                |group: &&mut Self| case.mixed().is_some() && without_length(&group.cases[0]) == without_length(&case);
            match groups.iter_mut().find(belongs) {
                Some(group) => group.cases.push(case),
                None => groups.push(Self { cases: vec![case] }),
            }
        }
        let order = |group: &Self| {
            let row = group.cases[0].row();
            let is_full = row.op == "aft" && row.form.is_some_and(|form| form.starts_with("full"));
            (row.op != "attention", is_full, row.causal == Some(false))
        };
        let effort = |group: &Self| group.efforts().iter().sum::<f64>();
        groups.sort_by(|a, b| effort(a).total_cmp(&effort(b)).then(order(a).cmp(&order(b))));
        groups
    }

    /// Relative efforts of the progress steps: each check, then all timings together.
    pub(in crate::bench) fn efforts(&self) -> Vec<f64> {
        self.cases.iter().map(Case::effort).chain(self.is_timed().then_some(self.cases.len() as f64)).collect()
    }

    /// Whether the cases are timed together after their checks. A model is timed separately.
    fn is_timed(&self) -> bool {
        !matches!(self.cases[..], [Case::Train(_) | Case::Generate(_)])
    }

    /// Checks and times the cases, and adds their rows. `tell` is called before each step of [`Group::efforts`]. Breaks if told
    /// to stop.
    ///
    /// # Errors
    /// As [`Case::prepare`], except errors that only skip a case.
    pub(in crate::bench) async fn measure(
        &self,
        measure: &mut Measure<'_>,
        results: &mut Results,
        tell: &mut dyn FnMut(String),
    ) -> Result<ControlFlow<()>> {
        let mut ready = Ready::new();
        for case in &self.cases {
            tell(case.name());
            if (measure.stop)() {
                // Wrong results are still reported.
                return time(measure, ready, results).await.map(|_| ControlFlow::Break(()));
            }
            if let Some(reason) = measure.spent() {
                results.skipped.push(Skipped { case: case.name(), reason });
                continue;
            }
            let mut prepared = match case {
                Case::Train(model) => {
                    let outcome = train::measure(model, case.row(), measure, &mut results.rows).await;
                    return or_skipped(outcome, &[case.name()], results);
                }
                Case::Generate(model) => {
                    let outcome = generate::measure(model, case.row(), measure, &mut results.rows).await;
                    return or_skipped(outcome, &[case.name()], results);
                }
                Case::Aft(_) | Case::Attention(_) | Case::Nn(_) => case.prepare(measure).await,
            };
            if matches!(prepared, Err(Error::OutOfMemory { .. })) && !ready.is_empty() {
                // It may fit when it runs alone.
                if time(measure, std::mem::take(&mut ready), results).await?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                prepared = case.prepare(measure).await;
            }
            match prepared {
                Ok(prepared) => ready.extend(prepared.map(|prepared| (case.name(), prepared))),
                Err(error) => results.skipped.push(skipped(case.name(), error)?),
            }
        }
        tell(format!("times of {}", self.cases[0].name()));
        time(measure, ready, results).await
    }
}

/// Checked cases with their names.
type Ready = Vec<(String, Prepared)>;

/// Times all `ready` cases in turns and frees them.
async fn time(measure: &mut Measure<'_>, ready: Ready, results: &mut Results) -> Result<ControlFlow<()>> {
    let all: Vec<_> = ready.iter().flat_map(|(_, prepared)| &prepared.timed).collect();
    let outcome = measure.rows(&all, &mut results.rows).await;
    let names: Vec<_> = ready.iter().map(|(name, _)| name.clone()).collect();
    or_skipped(outcome, &names, results)
}

/// Turns an error that only skips cases into entries of `skipped`.
fn or_skipped(outcome: Result<ControlFlow<()>>, names: &[String], results: &mut Results) -> Result<ControlFlow<()>> {
    outcome.or_else(|error| {
        let Skipped { reason, .. } = skipped(String::new(), error)?;
        results.skipped.extend(names.iter().map(|case| Skipped { case: case.clone(), reason: reason.clone() }));
        Ok(ControlFlow::Continue(()))
    })
}

/// The entry for a case that an error only skips; other errors are returned.
pub(in crate::bench) fn skipped(case: String, error: Error) -> Result<Skipped> {
    match error {
        Error::LimitExceeded { .. } | Error::OutOfMemory { .. } => Ok(Skipped { case, reason: error.to_string() }),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::Effort;
    use crate::gpu::AdapterClass;

    #[test]
    fn what_differs_in_length_alone_takes_turns() {
        let all = crate::bench::cases::case::all(AdapterClass::Software, Effort::Full);
        let groups = Group::all(all.clone());
        assert_eq!(groups.iter().map(|group| group.cases.len()).sum::<usize>(), all.len());
        let lengths = |group: &Group| group.cases.iter().map(|case| case.row().T).collect::<Vec<_>>();
        let over_length: Vec<_> = groups.iter().filter(|group| group.cases.len() > 1).collect();
        // Attention, five forms, and AFT-full in two representations, each causal or not; they come after all single-case groups.
        assert_eq!(over_length.len(), 16);
        assert!(over_length.iter().all(|group| lengths(group) == [256, 512, 1024, 2048, 4096].map(Some)));
        let rows: Vec<_> = over_length.iter().map(|group| group.cases[0].row()).collect();
        let causal = |rows: &[Row]| rows.iter().map(|row| row.causal == Some(true)).collect::<Vec<_>>();
        assert!(rows[..2].iter().all(|row| row.op == "attention") && causal(&rows[..2]) == [true, false]);
        assert_eq!(causal(&rows[2..12]), [[true; 5], [false; 5]].concat());
        let forms: Vec<_> = rows[12..].iter().map(|row| row.form.as_deref()).collect();
        assert_eq!(forms, ["full", "full factorised", "full", "full factorised"].map(Some));
        assert!(groups[..groups.len() - 16].iter().all(|group| group.cases.len() == 1));
        // A model is timed separately, so no progress step follows its check.
        for group in &groups {
            let model = matches!(group.cases[0], Case::Train(_) | Case::Generate(_));
            assert_eq!(group.efforts().len(), group.cases.len() + usize::from(!model));
        }
    }
}
