//! A run that is checked and has its folder, from where it begins or goes on.

use std::sync::Arc;

use aft_wgpu::Error;
use aft_wgpu::data::Corpus;
use aft_wgpu::gpu::{Gpu, GpuOptions};
use aft_wgpu::train::Trainer;

use super::checkpoints::latest;
use super::metrics::Metrics;
use super::progress::note;
use super::run_config::RunConfig;
use super::run_folder::{CHECKPOINT, CONFIG, RunFolder};

/// What is to be done: checked, and its folder claimed, but nothing built yet.
pub struct Job {
    pub gpu: Gpu,
    /// How that device was chosen.
    pub options: GpuOptions,
    pub corpus: Corpus,
    pub config: RunConfig,
    pub folder: RunFolder,
}

impl Job {
    /// The run as the checkpoint in its folder has it, or from its start, and its metrics up to there.
    pub async fn open(&self) -> anyhow::Result<(Trainer, Metrics)> {
        let Self { gpu, corpus, config, folder, .. } = self;
        let step_tokens = config.step_windows() * f64::from(config.model.length);
        let text = Arc::clone(&corpus.train);
        let Some(checkpoint) = latest(folder)? else {
            let trainer = Trainer::new(gpu, &config.model, &config.train, text).await?;
            return Ok((trainer, Metrics::open(folder, step_tokens, 0, 0)?));
        };
        if checkpoint.model != config.model || checkpoint.train != config.train {
            let path = folder.name(CHECKPOINT);
            return Err(Error::Format { path, message: format!("of another run than {CONFIG} beside it") }.into());
        }
        let trainer = Trainer::resume(gpu, &checkpoint, text).await?;
        if trainer.plan() != checkpoint.plan {
            note(format_args!(
                "kernels were planned as {}, and now as {}: last bits may differ",
                checkpoint.plan,
                trainer.plan()
            ));
        }
        Ok((trainer, Metrics::open(folder, step_tokens, checkpoint.step(), checkpoint.skipped())?))
    }
}
