//! Cases that are timed in turns: an operation over T. A machine changes over minutes, and how time grows with T is told by times that
//! it gave while it was the same.

use std::ops::ControlFlow;

use super::super::measure::Measure;
use super::super::result::{Results, Row, Skipped};
use super::{Case, Prepared, generate, train};
use crate::error::{Error, Result};

/// Cases that differ in T alone; a model, or a kernel around, by itself.
pub(in crate::bench) struct Group {
    cases: Vec<Case>,
}

impl Group {
    /// All groups: what is short comes first, then causal before the rest, as a slow device may have no time for it all.
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
        groups.sort_by_key(|group| (group.cases.len(), group.cases[0].row().causal == Some(false)));
        groups
    }

    /// The efforts of what it tells of in turn: of each case to check, and of all to time.
    pub(in crate::bench) fn efforts(&self) -> Vec<f64> {
        self.cases.iter().map(Case::effort).chain(self.is_timed().then_some(self.cases.len() as f64)).collect()
    }

    /// Whether its cases are timed after they were all checked; a model times itself.
    fn is_timed(&self) -> bool {
        !matches!(self.cases[..], [Case::Train(_) | Case::Generate(_)])
    }

    /// Checks its cases, times them, and adds their rows; `tell` hears what comes next, as [`Group::efforts`] counts it. Breaks if
    /// told to stop.
    ///
    /// # Errors
    /// As [`Case::prepare`], but for what keeps a case from running.
    pub(in crate::bench) async fn measure(
        &self,
        measure: &mut Measure<'_>,
        results: &mut Results,
        tell: &mut dyn FnMut(String),
    ) -> Result<ControlFlow<()>> {
        let mut ready = Vec::new();
        for case in &self.cases {
            tell(case.name());
            if (measure.stop)() {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(reason) = measure.spent() {
                results.skipped.push(Skipped { case: case.name(), reason });
                continue;
            }
            let outcome = match case {
                Case::Train(model) => train::measure(model, case.row(), measure, &mut results.rows).await,
                Case::Generate(model) => generate::measure(model, case.row(), measure, &mut results.rows).await,
                Case::Aft(_) | Case::Attention(_) | Case::Around(_) => match case.prepare(measure).await {
                    Err(Error::OutOfMemory { .. }) if !ready.is_empty() => {
                        // By itself it may fit.
                        if time(measure, &mut ready, &mut results.rows).await?.is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                        case.prepare(measure).await
                    }
                    outcome => outcome,
                }
                .map(|prepared| {
                    ready.extend(prepared);
                    ControlFlow::Continue(())
                }),
            };
            match outcome {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(ControlFlow::Break(())),
                Err(error) => results.skipped.push(skipped(case.name(), error)?),
            }
        }
        if !self.is_timed() {
            return Ok(ControlFlow::Continue(()));
        }
        tell(format!("times of {}", self.cases[0].name()));
        time(measure, &mut ready, &mut results.rows).await
    }
}

/// Times all that is ready, in turns, and lets go of it.
async fn time(measure: &mut Measure<'_>, ready: &mut Vec<Prepared>, rows: &mut Vec<Row>) -> Result<ControlFlow<()>> {
    let (timed, held): (Vec<_>, Vec<_>) = ready.drain(..).map(|prepared| (prepared.timed, prepared._held)).unzip();
    let outcome = measure.rows(&timed.into_iter().flatten().collect::<Vec<_>>()).await;
    drop(held);
    Ok(match outcome? {
        Some(more) => {
            rows.extend(more);
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    })
}

/// The case that an error keeps from running; other errors end the run.
pub(in crate::bench) fn skipped(case: String, error: Error) -> Result<Skipped> {
    match error {
        Error::LimitExceeded { .. } | Error::OutOfMemory { .. } => Ok(Skipped { case, reason: error.to_string() }),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::Effort;
    use crate::gpu::AdapterClass;

    #[test]
    fn what_differs_in_length_alone_takes_turns() {
        let all = super::super::all(AdapterClass::Software, Effort::Full);
        let groups = Group::all(all.clone());
        assert_eq!(groups.iter().map(|group| group.cases.len()).sum::<usize>(), all.len());
        let lengths = |group: &Group| group.cases.iter().map(|case| case.row().T).collect::<Vec<_>>();
        let over_length: Vec<_> = groups.iter().filter(|group| group.cases.len() > 1).collect();
        // Seven forms and attention, causal first; a model or a width by itself, before them.
        assert_eq!(over_length.len(), 16);
        assert!(over_length.iter().all(|group| lengths(group) == [256, 512, 1024, 2048, 4096].map(Some)));
        let causal = |group: &&&Group| group.cases[0].row().causal == Some(true);
        assert!(
            over_length[..8].iter().all(|group| causal(&group)) && !over_length[8..].iter().any(|group| causal(&group))
        );
        assert!(groups[..groups.len() - 16].iter().all(|group| group.cases.len() == 1));
        // A model times itself, so that there is nothing to tell of after it.
        for group in &groups {
            let model = matches!(group.cases[0], Case::Train(_) | Case::Generate(_));
            assert_eq!(group.efforts().len(), group.cases.len() + usize::from(!model));
        }
    }
}
