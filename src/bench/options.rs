//! What a run is asked for, and what it reports on its way.

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Short lengths: a minute or so on two cores.
    Quick,
    /// Every shape: up to half an hour.
    Full,
}

/// Which cases are measured; `None` is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// An operation, as "aft" or "linear".
    pub op: Option<String>,
    /// A form, as "local".
    pub form: Option<String>,
    /// A length T.
    pub length: Option<u32>,
}

/// The options of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchOptions {
    /// How much is measured.
    pub effort: Effort,
    /// Which cases.
    pub filter: Filter,
    /// The commit of the library, if known.
    pub commit: Option<String>,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Parts done: ceilings, checks of cases, and the times of those that take turns.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// Seconds left, if what is to come takes as long for its size as what was; unknown at first.
    pub left_s: Option<f64>,
    /// What comes next.
    pub next: String,
}

impl Effort {
    /// Seconds for a row.
    pub(super) fn allowance_s(self) -> f64 {
        match self {
            Self::Quick => 0.25,
            Self::Full => 1.5,
        }
    }

    /// Seconds after which no case is begun.
    pub(super) fn limit_s(self) -> f64 {
        match self {
            Self::Quick => 165.0,
            Self::Full => 1700.0,
        }
    }
}
