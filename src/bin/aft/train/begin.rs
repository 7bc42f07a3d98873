//! Starts a new run: checks everything first, then claims the folder and writes config.toml.

use std::path::Path;
use std::sync::Arc;

use aft_wgpu::Result;
use aft_wgpu::gpu::{AdapterClass, Gpu};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::{TrainConfig, Trainer};

use super::args::Args;
use super::job::Job;
use super::misfit::{Misfit, same};
use super::run_config::{DataConfig, RunConfig, SAMPLE_BYTES, parts};
use super::run_folder::RunFolder;
use crate::model::{ModelArgs, ModelFile};
use crate::shared::{Split, about};

/// Prepares the requested run.
pub fn begin(args: &Args) -> anyhow::Result<Job> {
    if let Some(out) = &args.out {
        RunFolder::refuse_taken(out)?;
    }
    let weights = args.init.as_deref().map(|path| Weights::read(args, path)).transpose()?;
    // Whether files can be written is known before an adapter is asked for; a run that is refused leaves no folder.
    let folder = args.claim()?;
    // The adapter decides on the defaults, but what is wrong with arguments or text is said first.
    let options = args.adapter.options();
    let gpu = Gpu::request_blocking(&options);
    let class = gpu.as_ref().map_or(AdapterClass::Unknown, |gpu| gpu.caps().adapter.class);
    let model = match &weights {
        Some(weights) => weights.model.clone(),
        None => args.model.over(LanguageConfig::for_adapter(class))?,
    };
    let mut train = args.train.over(TrainConfig::for_adapter(class))?;
    if args.train.time.is_some() && args.train.steps.is_none() {
        train.steps = u32::MAX;
    }
    let (files, whole) = match weights.as_ref().and_then(|weights| weights.data.as_ref()) {
        Some(data) if args.text.files.is_empty() => (data.files()?, args.split.map_or(data.whole, |_| args.whole())),
        _ => (&args.text.files[..], args.whole()),
    };
    let corpus = parts(files, whole)?;
    for split in if whole { &[Split::All][..] } else { &[Split::Valid, Split::Train] } {
        split.expect_window(&corpus, model.length, "")?;
    }
    let gpu = gpu?;
    Trainer::check(&gpu, &model, &train, &corpus.train)?;
    let config = RunConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: gpu.caps().adapter.to_string(),
        time_seconds: args.train.time,
        measuring: args.train.time.is_some(),
        init: weights.as_ref().map(|weights| weights.file.name()),
        valid_bytes: args.valid_bytes.unwrap_or_default(),
        save_every: args.save_every.unwrap_or_default(),
        sample_bytes: args.sample_bytes.unwrap_or(SAMPLE_BYTES),
        data: DataConfig::new(&corpus, files, whole)?,
        model,
        train,
    };
    if let Some(Weights { file: ModelFile { path, bytes, .. }, .. }) = weights {
        // A folder with config.toml counts as a run, so the initial weights are saved before it.
        let RunConfig { model, train, .. } = &config;
        let checkpoint = pollster::block_on(async {
            let trainer = Trainer::from_weights(&gpu, &bytes, model, train, Arc::clone(&corpus.train)).await;
            trainer.map_err(|error| about(&path, error))?.checkpoint().await
        });
        folder.save(&checkpoint?.to_bytes()?)?;
    }
    config.write(&folder)?;
    Ok(Job { gpu, options, corpus, config, folder, resumed: false })
}

/// Initial weights of a run.
struct Weights {
    file: ModelFile,
    /// Configuration of their model; dropout may differ.
    model: LanguageConfig,
    /// The text that they were trained on, if known.
    data: Option<DataConfig>,
}

impl Weights {
    /// Reads the weights of a run or a file. Of the model's settings, only dropout may be changed.
    fn read(args: &Args, from: &Path) -> Result<Self> {
        let file = ModelArgs { accept_edited: args.accept_edited }.open(from)?;
        let misfit = Misfit::INIT;
        misfit.variant(args.model.variant, file.config.variant)?;
        let model = args.model.over(file.config.clone())?;
        same(&LanguageConfig { dropout: model.dropout, ..file.config.clone() }, &model, &misfit)?;
        Ok(Self { file, model, data: DataConfig::of(from)? })
    }
}
