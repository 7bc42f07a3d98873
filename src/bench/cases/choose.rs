//! Selects the cases of a run.

use std::collections::BTreeSet;

use super::case::{Case, all};
use crate::bench::options::{BenchOptions, Effort, Filter};
use crate::error::{Error, Result};
use crate::gpu::Gpu;

/// The cases that the options select.
///
/// # Errors
/// [`Error::Config`] if there are none; the message lists the valid choices.
pub(in crate::bench) fn chosen(gpu: &Gpu, BenchOptions { effort, filter, .. }: &BenchOptions) -> Result<Vec<Case>> {
    let cases = |effort, filter: &Filter| {
        let mut cases = all(gpu.caps().adapter.class, effort);
        cases.retain(|case| case.is_in(filter));
        cases
    };
    let any_length = Filter { length: None, ..filter.clone() };
    let lengths = |effort| list(cases(effort, &any_length).iter().filter_map(|case| case.row().T));
    let found = cases(*effort, filter);
    if !found.is_empty() {
        return Ok(found);
    }
    Err(Error::Config(if !cases(Effort::Full, filter).is_empty() {
        format!("no such case in a quick run, only with --full. A quick run has these lengths: {}", lengths(*effort))
    } else if filter.length.is_some() && !cases(Effort::Full, &any_length).is_empty() {
        let [quick, full] = [Effort::Quick, Effort::Full].map(lengths);
        format!("no case of this length. There are these lengths: {quick}; with --full: {full}")
    } else {
        let rows: Vec<_> = cases(Effort::Full, &Filter::default()).iter().map(Case::row).collect();
        let ops = list(rows.iter().map(|row| &row.op));
        let forms = list(rows.iter().filter_map(|row| row.form.as_ref()));
        format!("no such case. There are the operations {ops} and the forms {forms}")
    }))
}

/// Sorted names without duplicates.
fn list<T: Ord + ToString>(names: impl Iterator<Item = T>) -> String {
    match Vec::from_iter(BTreeSet::from_iter(names).iter().map(T::to_string)) {
        names if names.is_empty() => "none".into(),
        names => names.join(", "),
    }
}
