//! Options that do not fit what a run goes on from or begins with: each refusal names the way that there is.

use aft_wgpu::nn::Mixer;
use aft_wgpu::{Error, Result};
use serde::Serialize;

/// What an option does not fit.
pub struct Misfit {
    /// The option that leads there.
    to: &'static str,
    /// What has a value of its own.
    owner: &'static str,
    /// What to do instead.
    way: &'static str,
}

impl Misfit {
    /// A model that a run goes on with.
    pub const MODEL: Self =
        Self { to: "--resume", owner: "the run", way: "Without --resume a new run begins, with a model of any shape" };
    /// How that run is trained.
    pub const TRAINING: Self = Self {
        to: "--resume",
        owner: "the run",
        way: "--init RUN instead of --resume begins a new run with its weights and other settings",
    };
    /// A model that a run begins with.
    pub const INIT: Self =
        Self { to: "--init", owner: "the model", way: "Without --init a new run begins, with a model of any shape" };

    /// The refusal of `option`, as the owner has `had`.
    pub fn refuse(&self, option: &str, had: &str) -> Error {
        let Self { to, owner, way } = self;
        Error::Config(format!("{option} does not fit {to}: {owner} has {had}. {way}"))
    }

    /// Fails if another AFT was asked for: first, as all other options follow from it.
    pub fn variant(&self, asked: Option<Mixer>, had: Mixer) -> Result<()> {
        match asked {
            Some(asked) if asked != had => Err(self.refuse(&format!("--variant {asked}"), &had.to_string())),
            _ => Ok(()),
        }
    }
}

/// Fails if a setting that was asked for is not the one that is there.
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

/// A value as it was given: numbers with the digits of an f32, names without quotes.
fn plain(value: &serde_json::Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) if value.is_f64() => (number as f32).to_string(),
        // A field that is left out where it is 0.
        (None, None) if value.is_null() => "0".to_owned(),
        _ => value.to_string(),
    }
}
