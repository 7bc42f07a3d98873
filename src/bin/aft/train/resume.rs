//! How a run goes on: in its own folder, or in a new one from the file of a checkpoint.

use std::path::Path;

use aft_wgpu::gpu::Gpu;
use aft_wgpu::train::{Checkpoint, Trainer};
use aft_wgpu::{Error, Result};
use serde::Serialize;

use super::job::Job;
use super::progress::note;
use super::run_config::{DataConfig, RunConfig, SAMPLE_BYTES, parts};
use super::run_folder::{MODEL, RunFolder};
use super::text::{Args, claim};
use crate::shared::{about, read_file, say, say_json};

/// What is said of a run that needs nothing more.
#[derive(Serialize)]
struct Finished {
    finished: bool,
    steps: u32,
    run: String,
}

impl Finished {
    /// The run in `folder`, if it is finished.
    fn of(folder: &Path, config: &RunConfig) -> Option<Self> {
        let finished = folder.join(MODEL).exists();
        finished.then(|| Self { finished, steps: config.train.steps, run: folder.display().to_string() })
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        match json {
            true => say_json(self),
            false => say(format_args!("{} is finished: all of its {} steps are done", self.run, self.steps)),
        }
    }
}

/// The run to go on with from `path`; none if it is finished, which is said.
pub fn resume(args: &Args, path: &Path) -> anyhow::Result<Option<Job>> {
    if path.is_dir() { from_folder(args, path) } else { from_file(args, path).map(Some) }
}

fn from_folder(args: &Args, path: &Path) -> anyhow::Result<Option<Job>> {
    if args.out.is_some() {
        return Err(misfit("--out", "a run goes on in its own folder").into());
    }
    let look = || -> Result<_> {
        let config = RunConfig::read(path)?;
        args.fit(&config)?;
        Ok((Finished::of(path, &config), config))
    };
    // First without the lock, which a folder that is only read has no place for.
    if let (Some(finished), _) = look()? {
        return finished.print(args.json).map(|()| None);
    }
    let folder = RunFolder::open(path)?;
    let (None, written) = look()? else { return resume(args, path) };
    let mut config = written.clone();
    config.save_every = args.save_every.unwrap_or(config.save_every);
    config.sample_bytes = args.sample_bytes.unwrap_or(config.sample_bytes);
    // Its files may have moved; the mark tells whether they are its text.
    let whole = written.data.whole;
    let files = if args.text.files.is_empty() { written.data.files()? } else { &args.text.files };
    let corpus = parts(files, whole)?;
    config.data = DataConfig::new(&corpus, files, whole)?;
    config.data.expect(written.data.mark)?;
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
    if config != written {
        config.write(&folder)?;
    }
    Ok(Some(Job { gpu, options, corpus, config, folder, resumed: true }))
}

/// A new run folder that begins with the checkpoint of a file, such as a browser's download.
fn from_file(args: &Args, path: &Path) -> anyhow::Result<Job> {
    let bytes = read_file(path)?;
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| about(path, error))?;
    let corpus = parts(&args.text.files, args.whole())?;
    let data = DataConfig::new(&corpus, &args.text.files, args.whole())?;
    data.expect(checkpoint.text)?;
    let options = args.adapter.options();
    let gpu = Gpu::request_blocking(&options)?;
    let config = RunConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: gpu.caps().adapter.to_string(),
        time_seconds: None,
        measuring: false,
        save_every: args.save_every.unwrap_or_default(),
        sample_bytes: args.sample_bytes.unwrap_or(SAMPLE_BYTES),
        data,
        model: checkpoint.model,
        train: checkpoint.train,
    };
    args.fit(&config)?;
    Trainer::check(&gpu, &config.model, &config.train, &corpus.train)?;
    let folder = claim(args)?;
    // In this order: a folder with a configuration is a run, and this one has a checkpoint from the first moment.
    folder.save(&bytes)?;
    config.write(&folder)?;
    Ok(Job { gpu, options, corpus, config, folder, resumed: true })
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
