//! A checked run with its folder, new or resumed.

use std::sync::Arc;

use aft_wgpu::Error;
use aft_wgpu::data::Corpus;
use aft_wgpu::gpu::{Gpu, GpuOptions};
use aft_wgpu::train::Trainer;

use super::checkpoints::{Found, latest};
use super::metrics::Metrics;
use super::progress::note;
use super::run_config::RunConfig;
use super::run_folder::{CONFIG, RunFolder};

/// A run that is checked and has claimed its folder. Nothing is built on the device yet.
pub struct Job {
    pub gpu: Gpu,
    /// How the device was chosen.
    pub options: GpuOptions,
    pub corpus: Corpus,
    pub config: RunConfig,
    pub folder: RunFolder,
    /// Whether the run is resumed.
    pub resumed: bool,
}

impl Job {
    /// Opens the run at its latest checkpoint, or at its start, with its metrics up to there. A broken checkpoint is skipped for
    /// the previous one.
    pub async fn open(&self) -> anyhow::Result<(Trainer, Metrics)> {
        let Self { gpu, corpus, config, folder, .. } = self;
        let step_tokens = config.step_windows() * f64::from(config.model.length);
        let text = Arc::clone(&corpus.train);
        let Some(Found { name, mut checkpoint, broken, .. }) = latest(folder.path())? else {
            let trainer = Trainer::new(gpu, &config.model, &config.train, text).await?;
            return Ok((trainer, Metrics::open(folder, step_tokens, 0, 0)?));
        };
        let of_this_run =
            checkpoint.model == config.model && checkpoint.train.agrees_until(checkpoint.step(), &config.train);
        if !of_this_run || checkpoint.text != config.data.mark {
            let path = folder.name(name);
            return Err(Error::Format { path, message: format!("of another run than {CONFIG} beside it") }.into());
        }
        if let Some(error) = broken {
            folder.set_aside()?;
            note(format_args!("{error}: going on from the checkpoint before it, of step {}", checkpoint.step()));
        }
        // The number of steps may have changed since the checkpoint was saved.
        checkpoint.train = config.train.clone();
        let trainer = Trainer::resume(gpu, &checkpoint, text).await?;
        let [run, device] = [trainer.gpu(), gpu].map(|gpu| gpu.tuning().target.name());
        if run != device {
            note(format_args!(
                "the run's kernels are shaped for a {run}, as it began, and not for this adapter, a {device}"
            ));
        }
        Ok((trainer, Metrics::open(folder, step_tokens, checkpoint.step(), checkpoint.skipped())?))
    }
}
