//! Runs a training command to its end. If a device is lost, a new device continues from the last checkpoint.

use aft_wgpu::gpu::Gpu;
use aft_wgpu::{Error, Result};
use indicatif::HumanCount;

use super::job::Job;
use super::pace::calibrate;
use super::progress::note;
use super::run::Run;
use super::run_config::RunConfig;
use super::session::Session;
use super::summary::Summary;

/// Device losses without a new checkpoint in between, after which the run gives up.
const MOST_LOSSES: u32 = 3;

/// Runs the session to its results.
pub async fn complete(session: &mut Session, profile: bool) -> anyhow::Result<Summary> {
    loop {
        let error = match attempt(session, profile).await {
            Err(error) if matches!(error.downcast_ref(), Some(Error::DeviceLost { .. })) => error,
            result => return result,
        };
        session.losses += 1;
        if session.losses > MOST_LOSSES {
            let run = session.job.folder.path().display();
            let advice = format!("{error}. To go on: aft train text --resume {run}");
            return Err(error.context(advice));
        }
        note(error);
    }
}

/// Runs on one device. Everything on the device is freed when this returns, so that the next device has the memory.
async fn attempt(session: &mut Session, profile: bool) -> anyhow::Result<Summary> {
    if session.losses > 0 {
        session.job.gpu = Gpu::request(&session.job.options).await?;
    }
    measure(session).await?;
    let (trainer, metrics) = session.job.open().await?;
    session.job.folder.keep();
    if session.losses > 0 {
        note(format_args!("a new device goes on from step {}", metrics.step));
    }
    if !session.announced {
        announce(session, metrics.step)?;
        session.announced = true;
    }
    let mut run = Run::new(session, trainer, metrics);
    run.train().await?;
    run.finish(profile).await
}

/// If the number of steps is to fit a time: measures the parts of the run, once, before the first step. The number is then fixed
/// during the run, except when the time is clearly enough for the maximum number of steps.
async fn measure(session: &mut Session) -> anyhow::Result<()> {
    let Session { job, valid, clock, .. } = session;
    let Some(budget) = job.config.to_be_measured() else { return Ok(()) };
    note("measuring how long a step takes");
    let pace = calibrate(job, valid, budget).await?;
    let fitting = pace.steps_within(budget - clock.seconds());
    clock.after = pace.after;
    job.config.begin_measuring(fitting);
    job.config.write(&job.folder)
}

/// Prints what is trained, on which adapter, in which folder, and from which step on.
fn announce(session: &Session, step: u32) -> Result<()> {
    let Job { gpu, corpus, config, folder, resumed, .. } = &session.job;
    let RunConfig { data, model, train, .. } = config;
    let parameters = HumanCount(model.parameters()?);
    note(format_args!("adapter  {}", gpu.caps().adapter));
    let [bytes, valid, of] = [corpus.train.len(), session.valid.bytes, session.valid.of_bytes].map(HumanCount);
    let sample = match session.valid.whole() {
        true => format!("{of}"),
        false => format!("{valid} of {of}"),
    };
    note(format_args!("text     {}: {bytes} bytes to train on, {sample} to evaluate on", data.name));
    note(format_args!(
        "model    {}, {} layers of {} channels, {} positions: {parameters} parameters",
        model.variant.title(),
        model.layers,
        model.dim,
        model.length
    ));
    if let (Some(weights), 0) = (&config.init, step) {
        note(format_args!("weights  those of {weights}"));
    }
    let tokens = HumanCount((config.step_windows() * f64::from(model.length)) as u64);
    let steps = HumanCount(train.steps.into());
    match config.time_seconds {
        Some(seconds) if config.measuring => {
            note(format_args!("steps    as many of {tokens} tokens each as fit into {seconds} s"))
        }
        _ => note(format_args!("steps    {steps} of {tokens} tokens each")),
    }
    let from = match (resumed, step) {
        (false, _) => String::new(),
        (true, 0) => ", from the start: there is no later checkpoint".to_owned(),
        (true, step) => format!(", from step {} on", HumanCount(step.into())),
    };
    note(format_args!("run      {}{from}", folder.path().display()));
    Ok(())
}
