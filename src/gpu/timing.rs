//! Time per kernel, by timestamp queries where the device granted them, else by the wall clock around single
//! submissions.

use std::collections::BTreeMap;

use super::Gpu;
use super::program::{Command, Program, record};
use super::recorder::Flight;
use super::stamps::{self, Stamps};
use crate::error::{Error, Result};

/// Clock that a time was measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Timestamp queries at the bounds of a pass.
    Timestamp,
    /// The host's clock around a submission; includes the cost of the submission.
    Wall,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Timestamp => "timestamp queries",
            Self::Wall => "wall clock, submission included",
        })
    }
}

/// Time of a kernel in one run of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// Stem and entry point, or "copy".
    pub label: String,
    /// Dispatches.
    pub count: u32,
    /// Seconds, all dispatches together.
    pub seconds: f64,
}

/// Runs each command of a program alone and sums the time per kernel, longest first. If the timestamps are unusable,
/// runs it once more with the wall clock.
///
/// # Errors
/// [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
pub async fn profile(gpu: &Gpu, program: &Program) -> Result<(Clock, Vec<KernelTime>)> {
    profile_by(gpu, Stamps::new(gpu).await?.as_ref(), program).await
}

/// [`profile`] with a given query set, or without timestamps.
pub(crate) async fn profile_by(gpu: &Gpu, set: Option<&Stamps>, program: &Program) -> Result<(Clock, Vec<KernelTime>)> {
    let (clock, seconds) = match by_timestamps(gpu, set, program).await? {
        Some(seconds) => (Clock::Timestamp, seconds),
        None => (Clock::Wall, by_wall_clock(gpu, program)?),
    };
    let mut times: BTreeMap<String, KernelTime> = BTreeMap::new();
    for (command, seconds) in program.commands().iter().zip(seconds) {
        let label = match command {
            Command::Dispatch(d) => d.label.clone(),
            Command::Mirror(_) | Command::Fetch(_) => "copy".to_owned(),
        };
        let empty = || KernelTime { label: label.clone(), count: 0, seconds: 0.0 };
        let entry = times.entry(label.clone()).or_insert_with(empty);
        entry.count += 1;
        entry.seconds += seconds;
    }
    let mut times: Vec<_> = times.into_values().collect();
    times.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    Ok((clock, times))
}

/// Seconds of each command; none without a query set, or if timestamps are zero or out of order.
async fn by_timestamps(gpu: &Gpu, set: Option<&Stamps>, program: &Program) -> Result<Option<Vec<f64>>> {
    let Some(set) = set else { return Ok(None) };
    let mut seconds = Vec::new();
    for commands in program.commands().chunks(Stamps::SPANS as usize) {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let spans = commands.len() as u32;
        for (span, command) in (0..spans).zip(commands) {
            set.around(&mut encoder, span, std::slice::from_ref(command));
        }
        set.resolve(&mut encoder, spans);
        gpu.queue().submit([encoder.finish()]);
        match stamps::seconds(gpu, &set.read(gpu, spans).await?) {
            Some(some) => seconds.extend(some),
            None => return Ok(None),
        }
    }
    Ok(Some(seconds))
}

/// Runs `slices`, one submission each, at most three in flight. Returns the total seconds by timestamps (none without a
/// query set, or if timestamps are zero or out of order) and by the host's clock from the first submission to the end
/// of the last.
///
/// # Errors
/// [`crate::Error::DeviceLost`], [`crate::Error::Rejected`]; [`crate::Error::Config`] for more slices than stamps.
pub(crate) async fn timed(gpu: &Gpu, set: Option<&Stamps>, slices: &[Vec<Command>]) -> Result<(Option<f64>, f64)> {
    let spans = slices.len() as u32;
    if spans > Stamps::SPANS {
        return Err(Error::Config(format!("at most {} submissions can be timed at once, not {spans}", Stamps::SPANS)));
    }
    let mut encoders: Vec<_> = Vec::new();
    for (span, slice) in (0..spans).zip(slices) {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        match set {
            Some(set) => set.around(&mut encoder, span, slice),
            None => record(slice, &mut encoder),
        }
        if let (Some(set), true) = (set, span + 1 == spans) {
            set.resolve(&mut encoder, spans);
        }
        encoders.push(encoder.finish());
    }
    let start = web_time::Instant::now();
    let mut flight = Flight::default();
    for commands in encoders {
        flight.submit(gpu, commands).await?;
    }
    flight.land(gpu).await?;
    let wall = start.elapsed().as_secs_f64();
    gpu.check()?;
    let seconds = match set {
        Some(set) => stamps::seconds(gpu, &set.read(gpu, spans).await?).map(|all| all.into_iter().sum()),
        None => None,
    };
    Ok((seconds, wall))
}

fn by_wall_clock(gpu: &Gpu, program: &Program) -> Result<Vec<f64>> {
    let run = |command: &Command| {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        record(std::slice::from_ref(command), &mut encoder);
        let start = web_time::Instant::now();
        let submission = gpu.queue().submit([encoder.finish()]);
        gpu.wait_for(&submission)?;
        Ok(start.elapsed().as_secs_f64())
    };
    program.commands().iter().map(run).collect()
}
