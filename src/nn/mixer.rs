//! What mixes the positions in a layer of a model: a form of AFT, or attention to compare with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result};
use crate::form::Form;

/// What mixes the positions in a layer; always causal. Files and commands name it by one word: `local`, `conv`, `attention`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mixer {
    /// A form of AFT ([`crate::nn::Aft`]): biases of full and local are factorised (Eq. 7), the kernel of conv is re-parameterised
    /// (Eq. 8). There is no layer of conv2d yet.
    Aft(Form),
    /// Multi-head softmax attention ([`crate::nn::Attention`]).
    Attention,
}

impl Mixer {
    /// Every mixer that a language model can have.
    pub const ALL: [Self; 5] = [
        Self::Aft(Form::Simple),
        Self::Aft(Form::Full),
        Self::Aft(Form::Local),
        Self::Aft(Form::Conv1d),
        Self::Attention,
    ];

    /// Its name in files and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aft(form) => form.short_name(),
            Self::Attention => "attention",
        }
    }

    /// Its name in a title: AFT-local, or attention.
    pub fn title(self) -> String {
        if self == Self::Attention { self.to_string() } else { format!("AFT-{self}") }
    }

    /// The form of AFT, if it is one.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::Aft(form) => Some(form),
            Self::Attention => None,
        }
    }
}

impl From<Form> for Mixer {
    fn from(form: Form) -> Self {
        Self::Aft(form)
    }
}

impl fmt::Display for Mixer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mixer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == Self::Attention.name() {
            return Ok(Self::Attention);
        }
        let expected = Self::ALL.map(Self::name).join(", ");
        text.parse()
            .map(Self::Aft)
            .map_err(|_| Error::Config(format!("unknown variant {text:?}, expected one of {expected}")))
    }
}

impl Serialize for Mixer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Mixer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "cli")]
impl clap::ValueEnum for Mixer {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let value = clap::builder::PossibleValue::new(self.name());
        Some(value.aliases(self.form().map(Form::name)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    /// Model files and run configs hold these names, and older ones do.
    #[test]
    fn names_are_those_of_model_files() {
        for (mixer, name) in Mixer::ALL.into_iter().zip(["simple", "full", "local", "conv", "attention"]) {
            let json = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(&mixer).unwrap(), json);
            assert_eq!(serde_json::from_str::<Mixer>(&json).unwrap(), mixer);
        }
        assert_eq!("conv1d".parse::<Mixer>().unwrap(), Mixer::Aft(Form::Conv1d));
        let error = serde_json::from_str::<Mixer>("\"newer\"").unwrap_err().to_string();
        assert!(error.contains("\"newer\", expected one of simple, full, local, conv, attention"), "{error}");
    }
}
