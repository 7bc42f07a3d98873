//! Options and progress of a run.

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Short lengths: about a minute on two cores.
    Quick,
    /// Every shape: up to half an hour.
    Full,
}

/// Selects cases; `None` matches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// An operation, such as "aft" or "linear".
    pub op: Option<String>,
    /// A form, such as "local".
    pub form: Option<String>,
    /// A length T.
    pub length: Option<u32>,
}

/// The options of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchOptions {
    /// How much is measured.
    pub effort: Effort,
    /// Which cases are measured.
    pub filter: Filter,
    /// The commit of the library, if known.
    pub commit: Option<String>,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Completed parts: ceilings, checks of cases, and timings of groups.
    pub done: usize,
    /// Total number of parts.
    pub of: usize,
    /// Estimated seconds left, from the speed so far; unknown at first.
    pub left_s: Option<f64>,
    /// Description of the next part.
    pub next: String,
}

impl Effort {
    /// Seconds available for a row.
    pub(super) fn allowance_s(self) -> f64 {
        match self {
            Self::Quick => 0.25,
            Self::Full => 1.5,
        }
    }

    /// Seconds after which no further case starts.
    pub(super) fn limit_s(self) -> f64 {
        match self {
            Self::Quick => 165.0,
            Self::Full => 1700.0,
        }
    }
}
