//! Series: rows that differ only in T. A slope is fitted to each, and a chart draws each as one line.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Results, Row};

/// The fields that the rows of a series share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(non_snake_case, reason = "B, D and H are the paper's names")]
pub struct Key<'a> {
    /// [`Row::op`].
    pub op: &'a str,
    /// [`Row::form`].
    pub form: Option<&'a str>,
    /// [`Row::direction`].
    pub direction: &'a str,
    /// [`Row::causal`].
    pub causal: Option<bool>,
    /// Sequences.
    pub B: Option<u32>,
    /// Channels.
    pub D: Option<u32>,
    /// Window, or kernel size.
    pub s: Option<u32>,
    /// Heads.
    pub H: Option<u32>,
}

impl<'a> Key<'a> {
    /// The key of a row's series.
    pub fn of(row: &'a Row) -> Self {
        let Row { op, form, direction, causal, B, D, s, H, .. } = row;
        Self { op, form: form.as_deref(), direction, causal: *causal, B: *B, D: *D, s: *s, H: *H }
    }

    /// Operation, form, window and heads, such as "aft local, s = 32".
    pub fn name(&self) -> String {
        let mut name = self.op.to_owned();
        self.form.iter().for_each(|form| name += &format!(" {form}"));
        self.s.iter().for_each(|s| name += &format!(", s = {s}"));
        self.H.iter().for_each(|heads| name += &format!(", H = {heads}"));
        name
    }

    /// Whether this is attention, or a model with it.
    pub fn is_attention(&self) -> bool {
        self.op == "attention" || self.form == Some("attention")
    }

    /// Whether this is a form of AFT, or a model with one, and `other` is the attention that it replaces.
    pub fn is_against(&self, other: &Key<'_>) -> bool {
        let same_place = self.op == other.op || (self.op == "aft" && other.op == "attention");
        let shape = |key: &Key<'_>| (key.causal, key.B, key.D);
        let same_job = self.direction == other.direction && shape(self) == shape(other);
        !self.is_attention() && other.is_attention() && same_place && same_job
    }
}

/// Rows with the same [`Key`], by ascending T.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// The shared fields.
    pub key: Key<'a>,
    /// One row for each T. If there are several, a failed one, otherwise the fastest.
    pub rows: Vec<&'a Row>,
}

impl Series<'_> {
    /// (T, milliseconds) of the rows with times.
    pub fn times(&self) -> Vec<(f64, f64)> {
        self.rows.iter().filter_map(|row| Some((f64::from(row.T?), row.median_ms?))).collect()
    }

    /// (T, time divided by that of the limit's kernel for equal work) of the rows that were measured in turns with a limit.
    /// Effects of the machine on both cancel: clock rate, other load and, if both move as many bytes, caches.
    pub fn times_in_limits(&self) -> Vec<(f64, f64)> {
        let shares = self.rows.iter().filter_map(|row| {
            let work = if row.limit.as_deref() == Some("fma") { row.flops? } else { row.bytes? };
            Some((f64::from(row.T?), work / row.percent_of_limit?))
        });
        shares.collect()
    }

    /// The row for a T.
    pub fn at(&self, length: u32) -> Option<&Row> {
        self.rows.iter().find(|row| row.T == Some(length)).copied()
    }
}

/// All series of rows with a T, in order of first appearance.
pub fn series(results: &Results) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    let mut places = HashMap::new();
    for row in results.rows.iter().filter(|row| row.T.is_some()) {
        let key = Key::of(row);
        let place = *places.entry(key).or_insert_with(|| {
            all.push(Series { key, rows: Vec::new() });
            all.len() - 1
        });
        all[place].rows.push(row);
    }
    for series in &mut all {
        series.rows.sort_by(|a, b| a.T.cmp(&b.T).then(quicker(a.median_ms, b.median_ms)));
        series.rows.dedup_by_key(|row| row.T);
    }
    all
}

/// A missing time, which means a failed gate, comes first.
fn quicker(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
