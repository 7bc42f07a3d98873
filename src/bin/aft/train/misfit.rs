//! Errors for options that conflict with a resumed run or an initial model. Each message names what to do instead.

use aft_wgpu::nn::Mixer;
use aft_wgpu::{Error, Result};
use serde::Serialize;

/// The parts of such a message.
pub struct Misfit {
    /// The option that selected the run or model.
    to: &'static str,
    /// The run or model whose setting conflicts.
    owner: &'static str,
    /// What the user can do instead.
    way: &'static str,
}

impl Misfit {
    /// Conflict with the model of a resumed run.
    pub const MODEL: Self =
        Self { to: "--resume", owner: "the run", way: "Without --resume a new run begins, with a model of any shape" };
    /// Conflict with the training settings of a resumed run.
    pub const TRAINING: Self = Self {
        to: "--resume",
        owner: "the run",
        way: "--init RUN instead of --resume begins a new run with its weights and other settings",
    };
    /// Conflict with the model that a new run begins with.
    pub const INIT: Self =
        Self { to: "--init", owner: "the model", way: "Without --init a new run begins, with a model of any shape" };

    /// Error that refuses `option`; `had` is the value of the run or model.
    pub fn refuse(&self, option: &str, had: &str) -> Error {
        let Self { to, owner, way } = self;
        Error::Config(format!("{option} does not fit {to}: {owner} has {had}. {way}"))
    }

    /// Fails if another variant was requested. Checked first, because the other options depend on it.
    pub fn variant(&self, asked: Option<Mixer>, had: Mixer) -> Result<()> {
        match asked {
            Some(asked) if asked != had => Err(self.refuse(&format!("--variant {asked}"), &had.to_string())),
            _ => Ok(()),
        }
    }
}

/// Fails if a requested setting differs from the existing one.
pub fn same<T: Serialize>(had: &T, asked: &T, misfit: &Misfit) -> Result<()> {
    let fields = |config| serde_json::to_value(config).map_err(|e| Error::Config(e.to_string()));
    let (had, asked) = (fields(had)?, fields(asked)?);
    for (name, asked) in asked.as_object().into_iter().flatten() {
        if *asked != had[name] {
            let option = format!("--{} {}", name.replace('_', "-"), plain(asked));
            return Err(misfit.refuse(&option, &plain(&had[name])));
        }
    }
    Ok(())
}

/// Formats a value as it was given: numbers with the digits of an f32, names without quotes.
fn plain(value: &serde_json::Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) if value.is_f64() => (number as f32).to_string(),
        // The field is left out of the file when it is 0.
        (None, None) if value.is_null() => "0".to_owned(),
        _ => value.to_string(),
    }
}
