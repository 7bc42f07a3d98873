//! A benchmark case of any kind, and the list of all cases.

use super::{aft, attention, model, nn};
use crate::bench::measure::Measure;
use crate::bench::options::{Effort, Filter};
use crate::bench::prepared::Prepared;
use crate::bench::result::Row;
use crate::error::Result;
use crate::gpu::AdapterClass;

/// A case, which gives one or more rows. To add an operation, add a file beside this one with `all`, `row` and `prepare`, and a
/// variant here.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::bench) enum Case {
    /// A form of AFT, forward and gradient.
    Aft(aft::Aft),
    /// Softmax attention, forward and gradient: the baseline that AFT replaces.
    Attention(attention::MultiHead),
    /// Another operation of a model.
    Nn(nn::Op),
    /// Training steps.
    Train(model::Model),
    /// Text generation.
    Generate(model::Model),
}

/// All cases for adapters of a class.
pub(super) fn all(class: AdapterClass, effort: Effort) -> Vec<Case> {
    let mut cases: Vec<_> = aft::all(class, effort).into_iter().map(Case::Aft).collect();
    cases.extend(attention::all(class, effort).into_iter().map(Case::Attention));
    cases.extend(nn::all(class, effort).into_iter().map(Case::Nn));
    for model in model::all(class, effort) {
        cases.extend([Case::Train(model.clone()), Case::Generate(model)]);
    }
    cases
}

impl Case {
    /// The fields that the rows of this case share.
    pub(in crate::bench) fn row(&self) -> Row {
        match self {
            Self::Aft(aft) => aft.row(),
            Self::Attention(attention) => attention.row(),
            Self::Nn(op) => op.row(),
            Self::Train(model) => Row { op: "train".into(), ..model.row() },
            Self::Generate(model) => Row { op: "generate".into(), ..model.row() },
        }
    }

    /// T, for operations that mix positions.
    pub(in crate::bench) fn mixed(&self) -> Option<u32> {
        match self {
            Self::Aft(_) | Self::Attention(_) => self.row().T,
            Self::Nn(_) | Self::Train(_) | Self::Generate(_) => None,
        }
    }

    /// Approximate time of the check, relative to the whole time of a short case. The reference takes time T², which reaches 1 at
    /// T = 1,024.
    pub(in crate::bench) fn effort(&self) -> f64 {
        match self {
            Self::Train(model) | Self::Generate(model) => model.effort(),
            Self::Aft(_) | Self::Attention(_) | Self::Nn(_) => (f64::from(self.mixed().unwrap_or(0)) / 1024.0).powi(2),
        }
    }

    /// The case as text.
    pub(in crate::bench) fn name(&self) -> String {
        name(&self.row())
    }

    /// Whether the filter selects this case.
    pub(in crate::bench) fn is_in(&self, filter: &Filter) -> bool {
        let row = self.row();
        let is = |wish: &Option<String>, name: Option<&str>| wish.as_deref().is_none_or(|wish| Some(wish) == name);
        is(&filter.op, Some(&row.op))
            && is(&filter.form, row.form.as_deref())
            && filter.length.is_none_or(|t| Some(t) == row.T)
    }

    /// Checks an operation and returns the programs to time. None for a model, which is timed separately.
    ///
    /// # Errors
    /// [`crate::Error::LimitExceeded`] if it does not fit on the device; also the errors of the operations.
    pub(in crate::bench) async fn prepare(&self, measure: &Measure<'_>) -> Result<Option<Prepared>> {
        match self {
            Self::Aft(aft) => aft.prepare(measure).await.map(Some),
            Self::Attention(attention) => attention.prepare(measure).await.map(Some),
            Self::Nn(op) => op.prepare(measure).await.map(Some),
            Self::Train(_) | Self::Generate(_) => Ok(None),
        }
    }
}

/// A row's case as text.
fn name(row: &Row) -> String {
    let mut name = row.op.clone();
    if let Some(form) = &row.form {
        name += &format!(" {form}");
    }
    for (letter, value) in [("B", row.B), ("T", row.T), ("D", row.D), ("s", row.s), ("H", row.H)] {
        if let Some(value) = value {
            name += &format!(" {letter}={value}");
        }
    }
    match row.causal {
        Some(true) => name += " causal",
        Some(false) => name += " all",
        None => {}
    }
    name
}
