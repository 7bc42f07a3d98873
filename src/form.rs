//! The forms of AFT in the paper: by name ([`Form`]), and with the sizes of their position biases ([`SizedForm`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};

/// A form of AFT, with its name in commands, files and reports.
///
/// ```
/// use aft_wgpu::form::Form;
///
/// assert_eq!(Form::Conv1d.to_string(), "conv1d");
/// assert_eq!("conv".parse::<Form>()?, Form::Conv1d);
/// # Ok::<(), aft_wgpu::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// AFT-simple (Eq. 5): no position biases.
    Simple,
    /// AFT-full (Eq. 2): a bias for every pair of positions.
    Full,
    /// AFT-local (Eq. 4): biases within a window.
    Local,
    /// AFT-conv (Eq. 6) over a sequence: one kernel of biases for each head.
    Conv1d,
    /// AFT-conv (Eq. 6) over an image grid.
    Conv2d,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Simple, Self::Full, Self::Local, Self::Conv1d, Self::Conv2d];

    /// The name: `simple`, `full`, `local`, `conv1d` or `conv2d`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Full => "full",
            Self::Local => "local",
            Self::Conv1d => "conv1d",
            Self::Conv2d => "conv2d",
        }
    }

    /// The name in sequence models: `conv` for `conv1d`. Both are accepted everywhere.
    pub fn short_name(self) -> &'static str {
        if self == Self::Conv1d { "conv" } else { self.name() }
    }

    /// The name in titles, such as "AFT-local" or "AFT-conv 1-D".
    pub fn title(self) -> String {
        match self {
            Self::Conv1d => "AFT-conv 1-D".into(),
            Self::Conv2d => "AFT-conv 2-D".into(),
            _ => format!("AFT-{self}"),
        }
    }

    /// Whether keys are per head, not per channel.
    pub fn is_conv(self) -> bool {
        matches!(self, Self::Conv1d | Self::Conv2d)
    }

    /// The form with sizes: the window s or kernel size S, the representation of biases, and the columns of an image grid. Sizes
    /// that the form does not have are ignored.
    pub fn sized(self, window: usize, bias: Bias, columns: usize) -> SizedForm {
        match self {
            Self::Simple => SizedForm::Simple,
            Self::Full => SizedForm::Full(bias),
            Self::Local => SizedForm::Local(window, bias),
            Self::Conv1d => SizedForm::Conv1d(window),
            Self::Conv2d => SizedForm::Conv2d(window, columns),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = |form: &Self| text == form.name() || text == form.short_name();
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            Error::Config(format!(
                "unknown form of AFT {text:?}, expected one of {}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "cli")]
impl clap::ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()).alias(self.short_name()))
    }
}

/// A form with the sizes of its position biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizedForm {
    /// AFT-simple (Eq. 5).
    Simple,
    /// AFT-full (Eq. 2).
    Full(Bias),
    /// AFT-local (Eq. 4) with a window s.
    Local(usize, Bias),
    /// AFT-conv over a sequence (Eq. 6), with a kernel of size S.
    Conv1d(usize),
    /// AFT-conv over an image grid (Eq. 6): kernel size S (S x S), then the columns of the grid.
    Conv2d(usize, usize),
}

/// Representation of the biases of AFT-full and AFT-local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// The biases themselves: [T, T]; for AFT-local a band [T, s] if causal, otherwise [T, 2 s - 1].
    Dense,
    /// Factors [T, R] for rows and keys (Eq. 7), with rank R.
    Factors(usize),
}

impl SizedForm {
    /// The form without its sizes.
    pub fn form(self) -> Form {
        match self {
            Self::Simple => Form::Simple,
            Self::Full(_) => Form::Full,
            Self::Local(..) => Form::Local,
            Self::Conv1d(_) => Form::Conv1d,
            Self::Conv2d(..) => Form::Conv2d,
        }
    }

    /// Whether keys are per head, not per channel.
    pub fn is_conv(self) -> bool {
        self.form().is_conv()
    }

    /// The window s, or the kernel size S.
    pub fn window(self) -> Option<usize> {
        match self {
            Self::Simple | Self::Full(_) => None,
            Self::Local(s, _) | Self::Conv1d(s) | Self::Conv2d(s, _) => Some(s),
        }
    }

    /// The rank R, if the biases are factorised.
    pub fn rank(self) -> Option<usize> {
        match self {
            Self::Full(Bias::Factors(rank)) | Self::Local(_, Bias::Factors(rank)) => Some(rank),
            _ => None,
        }
    }

    /// Rows and columns of both parts of the biases; an absent part is [0, 0].
    pub fn bias_shapes(self, time: usize, heads: usize, causal: bool) -> [[usize; 2]; 2] {
        match self {
            Self::Simple => [[0, 0]; 2],
            Self::Full(Bias::Factors(rank)) | Self::Local(_, Bias::Factors(rank)) => [[time, rank]; 2],
            Self::Full(Bias::Dense) => [[time, time], [0, 0]],
            Self::Local(s, Bias::Dense) if causal => [[time, s], [0, 0]],
            Self::Local(s, Bias::Dense) => [[time, s.saturating_mul(2).saturating_sub(1)], [0, 0]],
            Self::Conv1d(s) => [[heads, s], [0, 0]],
            Self::Conv2d(s, _) => [[heads, s.saturating_mul(s)], [0, 0]],
        }
    }
}

/// The name in benchmark results: `local`, `local factorised`.
impl fmt::Display for SizedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.form(), if self.rank().is_some() { " factorised" } else { "" })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    /// These names occur in model files, run configurations, command lines and committed results.
    #[test]
    fn names_are_those_of_files_and_commands() {
        for (form, name) in Form::ALL.into_iter().zip(["simple", "full", "local", "conv1d", "conv2d"]) {
            let json = format!("\"{name}\"");
            assert_eq!((form.to_string(), serde_json::to_string(&form).unwrap()), (name.into(), json.clone()));
            assert_eq!((name.parse::<Form>().unwrap(), serde_json::from_str(&json).unwrap()), (form, form));
        }
        assert_eq!("conv".parse::<Form>().unwrap(), Form::Conv1d);
        let error = serde_json::from_str::<Form>("\"newer\"").unwrap_err().to_string();
        assert!(error.contains("\"newer\", expected one of simple, full, local, conv1d, conv2d"), "{error}");
    }

    #[test]
    fn a_form_takes_the_sizes_that_it_has() {
        for bias in [Bias::Dense, Bias::Factors(3)] {
            for form in Form::ALL {
                let sized = form.sized(7, bias, 5);
                let windowed = !matches!(form, Form::Simple | Form::Full);
                let ranked = bias != Bias::Dense && matches!(form, Form::Full | Form::Local);
                assert_eq!(sized.form(), form);
                assert_eq!((sized.window(), sized.rank()), (windowed.then_some(7), ranked.then_some(3)));
            }
        }
        assert_eq!(Form::Conv2d.sized(7, Bias::Dense, 5), SizedForm::Conv2d(7, 5));
    }
}
