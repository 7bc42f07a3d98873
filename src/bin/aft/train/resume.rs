//! How a run goes on: in its own folder, or in a new one from the file of a checkpoint.

use std::path::Path;

use aft_wgpu::gpu::Gpu;
use aft_wgpu::train::{Checkpoint, Trainer};
use aft_wgpu::{Error, Result};
use serde::Serialize;

use super::job::Job;
use super::progress::note;
use super::run_config::{DataConfig, RunConfig};
use super::run_folder::{MODEL, RunFolder};
use super::text::{Args, claim};
use crate::shared::{about, corpus, io_error, say, say_json};

/// What is said of a run that needs nothing more.
#[derive(Serialize)]
struct Finished {
    finished: bool,
    steps: u32,
    run: String,
}

/// The run to go on with from `path`; none if it is finished, which is said.
pub fn resume(args: &Args, path: &Path) -> anyhow::Result<Option<Job>> {
    if path.is_dir() { from_folder(args, path) } else { from_file(args, path).map(Some) }
}

fn from_folder(args: &Args, path: &Path) -> anyhow::Result<Option<Job>> {
    if args.out.is_some() {
        return Err(misfit("--out", "a run goes on in its own folder").into());
    }
    let folder = RunFolder::open(path)?;
    let mut config = RunConfig::read(path)?;
    args.fit(&config)?;
    let files = DataConfig::new("", &args.text.files).files;
    if !files.is_empty() && files != config.data.files {
        return Err(misfit("--text", "the run was begun with another text").into());
    }
    config.save_every = args.save_every.unwrap_or(config.save_every);
    config.sample_bytes = args.sample_bytes.unwrap_or(config.sample_bytes);
    if path.join(MODEL).exists() {
        let finished = Finished { finished: true, steps: config.train.steps, run: path.display().to_string() };
        if args.json {
            say_json(&finished)?;
        } else {
            say(format_args!("{} is finished: all of its {} steps are done", finished.run, finished.steps))?;
        }
        return Ok(None);
    }
    let corpus = corpus(&config.data.files, config.model.length)?;
    let options = args.adapter.options();
    let gpu = Gpu::request_blocking(&options)?;
    Trainer::check(&gpu, &config.model, &config.train, &corpus.train)?;
    for (what, before, now) in [
        ("version", &config.version, env!("CARGO_PKG_VERSION")),
        ("adapter", &config.adapter, &gpu.caps().adapter.to_string()),
    ] {
        if before != now {
            note(format_args!("begun with {what} {before}, going on with {now}: last bits may differ"));
        }
    }
    Ok(Some(Job { gpu, options, corpus, config, folder }))
}

/// A new run folder that begins with the checkpoint of a file, such as a browser's download.
fn from_file(args: &Args, path: &Path) -> anyhow::Result<Job> {
    let bytes = std::fs::read(path).map_err(io_error(path.display()))?;
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| about(path, error))?;
    let corpus = corpus(&args.text.files, checkpoint.model.length)?;
    checkpoint.expect_text(corpus.train.as_ref())?;
    let options = args.adapter.options();
    let gpu = Gpu::request_blocking(&options)?;
    let config = RunConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: gpu.caps().adapter.to_string(),
        time_seconds: None,
        measuring: false,
        save_every: args.save_every.unwrap_or_default(),
        sample_bytes: args.sample_bytes.unwrap_or(super::text::SAMPLE_BYTES),
        data: DataConfig::new(&corpus.name, &args.text.files),
        model: checkpoint.model,
        train: checkpoint.train,
    };
    args.fit(&config)?;
    Trainer::check(&gpu, &config.model, &config.train, &corpus.train)?;
    let folder = claim(args)?;
    config.write(&folder)?;
    folder.save(&bytes)?;
    Ok(Job { gpu, options, corpus, config, folder })
}

/// Fails if a setting that was asked for is not the run's.
pub fn same<T: Serialize>(run: &T, asked: &T) -> Result<()> {
    let fields = |config| serde_json::to_value(config).map_err(|e| Error::Config(e.to_string()));
    let (run, asked) = (fields(run)?, fields(asked)?);
    for (name, had) in run.as_object().into_iter().flatten() {
        if asked[name] != *had {
            let name = format!("--{} {}", name.replace('_', "-"), plain(&asked[name]));
            return Err(misfit(&name, &format!("the run has {}", plain(had))));
        }
    }
    Ok(())
}

/// A value as it was given: numbers with the digits of an f32, names without quotes.
fn plain(value: &serde_json::Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) if value.is_f64() => (number as f32).to_string(),
        _ => value.to_string(),
    }
}

pub fn misfit(option: &str, why: &str) -> Error {
    Error::Config(format!("{option} does not fit --resume: {why}. Leave the option out"))
}
