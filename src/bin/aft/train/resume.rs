//! Resumes a run in its own folder, or in a new folder from a checkpoint file.

use std::path::Path;

use aft_wgpu::gpu::Gpu;
use aft_wgpu::printable::Printable;
use aft_wgpu::train::{Checkpoint, TrainConfig, Trainer};
use aft_wgpu::{Error, Result};
use serde::Serialize;

use super::args::Args;
use super::checkpoints::latest;
use super::job::Job;
use super::misfit::{Misfit, same};
use super::progress::note;
use super::run_config::{DataConfig, RunConfig, SAMPLE_BYTES, parts};
use super::run_folder::{CHECKPOINT, MODEL, RunFolder};
use crate::shared::{about, read_file, say, say_json};

/// Message about a run that is already finished.
#[derive(Serialize)]
struct Finished {
    finished: bool,
    steps: u32,
    run: String,
}

impl Finished {
    /// The message, if the run in `folder` is finished.
    fn of(folder: &Path, config: &RunConfig) -> Option<Self> {
        let finished = folder.join(MODEL).exists();
        finished.then(|| Self { finished, steps: config.train.steps, run: folder.display().to_string() })
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        match json {
            true => say_json(self),
            false => say(format_args!(
                "{run} is finished: all of its {} steps are done. --resume {run} --steps N goes on to more, and --init {run} begins \
                 a new run with its weights",
                self.steps,
                run = Printable(&self.run)
            )),
        }
    }
}

impl Args {
    /// The new number of steps, if it differs from the run's. Fails if a requested setting conflicts with the run.
    fn fit(&self, run: &RunConfig) -> Result<Option<u32>> {
        if self.split.is_some() && self.whole() != run.data.whole {
            let [asked, had] = [self.whole(), run.data.whole].map(|whole| if whole { "all" } else { "parts" });
            return Err(Misfit::TRAINING.refuse(&format!("--split {asked}"), &format!("--split {had}")));
        }
        Misfit::MODEL.variant(self.model.variant, run.model.variant)?;
        same(&run.model, &self.model.over(run.model.clone())?, &Misfit::MODEL)?;
        let asked = self.train.over(run.train.clone())?;
        let (had, steps) = (run.train.steps, asked.steps);
        same(&run.train, &TrainConfig { steps: had, ..asked }, &Misfit::TRAINING)?;
        let refuse = |text: String| Err(Error::Config(text));
        if self.train.time.is_some() && self.train.time != run.time_seconds {
            return refuse(format!(
                "--time does not fit --resume: its number of steps is fixed. To go on for longer give --steps N with more than {had}"
            ));
        }
        match self.train.steps {
            Some(_) if run.measuring && steps != had => refuse(format!(
                "--steps {steps} does not fit --resume: the run's number of steps is still to be fitted to its --time. Go on \
                 without --steps; it may be raised after that"
            )),
            Some(_) if steps < had => refuse(format!(
                "--steps {steps} does not fit --resume: the run has {had}, and goes on to more than that only. --init RUN \
                 instead of --resume begins a new run of {steps} steps with its weights"
            )),
            Some(_) if steps > had => Ok(Some(steps)),
            _ => Ok(None),
        }
    }
}

/// The run to resume from `path`. If it is already finished, says so and returns none.
pub fn resume(args: &Args, path: &Path) -> anyhow::Result<Option<Job>> {
    if path.is_dir() { from_folder(args, path) } else { from_file(args, path).map(Some) }
}

fn from_folder(args: &Args, path: &Path) -> anyhow::Result<Option<Job>> {
    if args.out.is_some() {
        let (run, file) = (path.display(), path.join(CHECKPOINT));
        let message = format!(
            "--out does not fit --resume {run}: a run goes on in its own folder. --resume {} goes on in another one, and \
             --init {run} begins a new run there with its weights",
            file.display()
        );
        return Err(Error::Config(message).into());
    }
    let look = || -> Result<_> {
        let config = RunConfig::read(path)?;
        let longer = args.fit(&config)?;
        Ok((Finished::of(path, &config).filter(|_| longer.is_none()), config, longer))
    };
    // The first look takes no lock: a finished run may be in a read-only folder.
    if let (Some(finished), config, _) = look()? {
        if !args.text.files.is_empty() {
            let corpus = parts(&args.text.files, config.data.whole)?;
            DataConfig::new(&corpus, &args.text.files, config.data.whole)?.expect(config.data.mark)?;
        }
        return finished.print(args.json).map(|()| None);
    }
    let folder = RunFolder::open(path)?;
    let (None, written, longer) = look()? else { return resume(args, path) };
    let mut config = written.clone();
    config.save_every = args.save_every.unwrap_or(config.save_every);
    config.sample_bytes = args.sample_bytes.unwrap_or(config.sample_bytes);
    config.valid_bytes = args.valid_bytes.unwrap_or(config.valid_bytes);
    // The files may have moved. The checksum tells whether they are the run's text.
    let whole = written.data.whole;
    let files = if args.text.files.is_empty() { written.data.files()? } else { &args.text.files };
    let corpus = parts(files, whole)?;
    config.data = DataConfig::new(&corpus, files, whole)?;
    config.data.expect(written.data.mark)?;
    if let Some(steps) = longer {
        let done = latest(path)?.map(|found| found.checkpoint.step());
        if done.is_none() && path.join(MODEL).exists() {
            let message = format!(
                "--steps {steps}: the run is finished and has no checkpoint to go on from. --init {} begins a new run with its weights",
                path.display()
            );
            return Err(Error::Config(message).into());
        }
        config.train.extend(done.unwrap_or(0), steps);
    }
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
    if longer.is_some() {
        // First: a folder with a model counts as finished. Until config.toml has more steps, resuming makes the same model again.
        folder.set_model_aside()?;
    }
    if config != written {
        config.write(&folder)?;
    }
    Ok(Some(Job { gpu, options, corpus, config, folder, resumed: true }))
}

/// Creates a run folder from a checkpoint file, such as a browser's download.
fn from_file(args: &Args, path: &Path) -> anyhow::Result<Job> {
    let bytes = read_file(path)?;
    let mut checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| about(path, error))?;
    let step = checkpoint.step();
    if checkpoint.train.hold == TrainConfig::OPEN {
        let open = || format!("{}: saved before its number of steps was fixed", path.display());
        let give = || Error::Config(format!("{}. Give --steps N with more than {step}", open()));
        checkpoint.train.steps = args.train.steps.filter(|&steps| steps > step).ok_or_else(give)?;
        checkpoint.train.hold = step.max(1);
    }
    let corpus = parts(&args.text.files, args.whole())?;
    let data = DataConfig::new(&corpus, &args.text.files, args.whole())?;
    data.expect(checkpoint.text)?;
    let options = args.adapter.options();
    let gpu = Gpu::request_blocking(&options)?;
    let mut config = RunConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: gpu.caps().adapter.to_string(),
        time_seconds: None,
        measuring: false,
        init: None,
        valid_bytes: args.valid_bytes.unwrap_or_default(),
        save_every: args.save_every.unwrap_or_default(),
        sample_bytes: args.sample_bytes.unwrap_or(SAMPLE_BYTES),
        data,
        model: checkpoint.model,
        train: checkpoint.train,
    };
    if let Some(steps) = args.fit(&config)? {
        config.train.extend(step, steps);
    }
    Trainer::check(&gpu, &config.model, &config.train, &corpus.train)?;
    let folder = args.claim()?;
    // A folder with config.toml counts as a run, so the checkpoint is saved before it.
    folder.save(&bytes)?;
    config.write(&folder)?;
    Ok(Job { gpu, options, corpus, config, folder, resumed: true })
}
