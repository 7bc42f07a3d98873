//! A training command from its first word to the results, on as many devices as it takes.

use std::time::Instant;

use aft_wgpu::data::{Bigram, Words};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::{Error, Result};
use indicatif::HumanCount;

use super::inject::Faults;
use super::interrupt::Interrupt;
use super::job::Job;
use super::pace::calibrate;
use super::progress::note;
use super::run::Run;
use super::run_config::RunConfig;
use super::summary::Summary;

/// Devices that may be lost without a new checkpoint between them before the run gives up.
const MOST_LOSSES: u32 = 3;

/// What a run is held against, from the training text alone.
pub struct Yardstick {
    pub bigram: Bigram,
    pub words: Words,
    pub bits_per_byte: f64,
}

/// What outlasts a device.
pub struct Session {
    pub job: Job,
    pub yardstick: Yardstick,
    pub interrupt: Interrupt,
    pub faults: Faults,
    pub start: Instant,
    /// Devices lost since the last checkpoint.
    pub losses: u32,
    announced: bool,
}

impl Session {
    /// Measures the text.
    pub fn new(job: Job, interrupt: Interrupt, faults: Faults, start: Instant) -> Result<Self> {
        let train = job.corpus.train.as_ref();
        let bigram = Bigram::fit(train)?;
        let bits_per_byte = bigram.bits_per_byte(job.corpus.valid.as_ref())?;
        let yardstick = Yardstick { bigram, words: Words::of(train)?, bits_per_byte };
        Ok(Self { job, yardstick, interrupt, faults, start, losses: 0, announced: false })
    }

    /// Runs to the results. Where a device is lost on the way, a new one goes on from the last checkpoint.
    pub async fn complete(&mut self, profile: bool) -> anyhow::Result<Summary> {
        loop {
            let error = match self.attempt(profile).await {
                Err(error) if matches!(error.downcast_ref(), Some(Error::DeviceLost { .. })) => error,
                result => return result,
            };
            self.losses += 1;
            if self.losses > MOST_LOSSES {
                let run = self.job.folder.path().display();
                let advice = format!("{error}. To go on: aft train text --resume {run}");
                return Err(error.context(advice));
            }
            note(error);
        }
    }

    /// One device's part. All that is on it is gone when this returns, so that the next has its memory.
    async fn attempt(&mut self, profile: bool) -> anyhow::Result<Summary> {
        if self.losses > 0 {
            self.job.gpu = Gpu::request(&self.job.options).await?;
        }
        self.fix_steps().await?;
        let (trainer, metrics) = self.job.open().await?;
        self.job.folder.keep();
        if self.losses > 0 {
            note(format_args!("a new device goes on from step {}", metrics.step));
        }
        if !self.announced {
            self.announce(metrics.step)?;
            self.announced = true;
        }
        let mut run = Run::new(self, trainer, metrics);
        run.train().await?;
        run.finish(profile).await
    }

    /// Fits the number of steps to the time, if that is still to be done.
    async fn fix_steps(&mut self) -> anyhow::Result<()> {
        let Self { job, start, .. } = self;
        if let (true, Some(time)) = (job.config.measuring, job.config.time_seconds) {
            note("measuring how long a step takes");
            let steps = calibrate(job, time, *start).await?;
            job.config.train.steps = job.config.train.steps.min(steps);
            job.config.measuring = false;
            job.config.write(&job.folder)?;
        }
        Ok(())
    }

    /// Says what is being trained, on what, where to, from which step on.
    fn announce(&self, step: u32) -> Result<()> {
        let Job { gpu, corpus, config, folder, resumed, .. } = &self.job;
        let RunConfig { data, model, train, .. } = config;
        let parameters = HumanCount(model.parameters()?);
        note(format_args!("adapter  {}", gpu.caps().adapter));
        note(format_args!("text     {}: {} bytes to train on", data.name, HumanCount(corpus.train.len())));
        note(format_args!(
            "model    {}, {} layers of {} channels, {} positions: {parameters} parameters",
            model.variant.title(),
            model.layers,
            model.dim,
            model.length
        ));
        let fitted = match config.time_seconds {
            Some(seconds) if !resumed => format!(", to end after about {seconds} s at most"),
            _ => String::new(),
        };
        let tokens = HumanCount((config.step_windows() * f64::from(model.length)) as u64);
        note(format_args!("steps    {} of {tokens} tokens each{fitted}", HumanCount(train.steps.into())));
        let from = match (resumed, step) {
            (false, _) => String::new(),
            (true, 0) => ", from the start: there is no later checkpoint".to_owned(),
            (true, step) => format!(", from step {} on", HumanCount(step.into())),
        };
        note(format_args!("run      {}{from}", folder.path().display()));
        Ok(())
    }
}
