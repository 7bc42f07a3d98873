//! The clock for timings: timestamp queries if the device has reliable ones, otherwise the host's clock around submissions.

use web_time::Instant;

use super::roofline::{Ceiling, CeilingKernel};
use crate::error::Result;
use crate::gpu::stamps::{self, Stamps};
use crate::gpu::{Clock, Command, Gpu, Program, timed};

/// Minimum length of a measurement, in steps of the clock.
const STEPS: f64 = 50.0;
/// Minimum seconds of a measurement by the host's clock, so that the submission overhead is small.
const WALL_S: f64 = 0.01;

/// A tested clock.
pub(super) struct Stopwatch {
    gpu: Gpu,
    /// Timestamp queries; none for the host's clock.
    stamps: Option<Stamps>,
    /// The smallest step, in seconds.
    resolution_s: f64,
    /// Why timestamps are not used although the device has them.
    note: Option<String>,
}

impl Stopwatch {
    /// Tests the device's timestamps.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::DeviceLost`].
    pub(super) async fn new(gpu: &Gpu) -> Result<Self> {
        let set = Stamps::new(gpu).await?;
        let mut this = Self { gpu: gpu.clone(), stamps: None, resolution_s: wall_resolution(), note: None };
        if let Some(set) = set {
            match tried(gpu, &set).await? {
                Ok(resolution) => (this.stamps, this.resolution_s) = (Some(set), resolution),
                Err(reason) => this.note = Some(reason.into()),
            }
        }
        Ok(this)
    }

    /// The host's clock, for work that timestamps cannot surround.
    pub(super) fn of_host(gpu: &Gpu) -> Self {
        Self { gpu: gpu.clone(), stamps: None, resolution_s: wall_resolution(), note: None }
    }

    /// The kind of the clock.
    pub(super) fn clock(&self) -> Clock {
        if self.stamps.is_some() { Clock::Timestamp } else { Clock::Wall }
    }

    /// Its name in results.
    pub(super) fn name(&self) -> &'static str {
        match self.clock() {
            Clock::Timestamp => "timestamp",
            Clock::Wall => "wall",
        }
    }

    /// The smallest step, in seconds.
    pub(super) fn resolution_s(&self) -> f64 {
        self.resolution_s
    }

    /// Why timestamps are not used although the device has them.
    pub(super) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The timestamp queries in use.
    pub(super) fn stamps(&self) -> Option<&Stamps> {
        self.stamps.as_ref()
    }

    /// Switches to the host's clock.
    pub(super) fn give_up(&mut self, reason: &str) {
        if self.stamps.take().is_some() {
            self.resolution_s = wall_resolution();
            self.note = Some(reason.into());
        }
    }

    /// Minimum seconds of a measurement.
    pub(super) fn least_s(&self) -> f64 {
        let steps = STEPS * self.resolution_s;
        if self.stamps.is_some() { steps } else { steps.max(WALL_S) }
    }

    /// Total seconds of `repeats` runs of a program. If timestamps fail here, they are no longer used.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
    pub(super) async fn time(&mut self, program: &Program, repeats: u32) -> Result<f64> {
        let (stamped, wall) = timed(&self.gpu, self.stamps.as_ref(), &program.repeated(&self.gpu, repeats)).await?;
        if stamped.is_none() {
            self.give_up(NO_TIMES);
        }
        Ok(stamped.unwrap_or(wall))
    }
}

const NO_TIMES: &str = "timestamps are zero or unordered";

/// The smallest step of the device's timestamps in seconds, or the reason not to use them.
async fn tried(gpu: &Gpu, set: &Stamps) -> Result<Result<f64, &'static str>> {
    let [idle, work] = [Ceiling::Dispatch, Ceiling::Fma].map(|ceiling| CeilingKernel::new(gpu, ceiling));
    let (idle, work) = (idle?.program, work?.program);
    // Compiles before anything is timed.
    timed(gpu, None, &[[idle.commands(), work.commands()].concat()]).await?;
    // Many short spans find the step size. The long spans between them are compared with the host's clock.
    let spans: Vec<Vec<Command>> =
        (0..64).map(|i| if i % 16 == 8 { work.commands() } else { idle.commands() }.to_vec()).collect();
    let (seconds, wall) = timed(gpu, Some(set), &spans).await?;
    let Some(seconds) = seconds else { return Ok(Err(NO_TIMES)) };
    let stamps = set.read(gpu, spans.len() as u32).await?;
    let unit = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
    let resolution = stamps::step(&stamps) as f64 * unit;
    Ok(verdict(resolution, seconds, wall))
}

fn verdict(resolution: f64, seconds: f64, wall: f64) -> Result<f64, &'static str> {
    if resolution <= 0.0 {
        Err("timestamps do not advance")
    } else if seconds > 1.1 * wall + 2.0 * resolution {
        Err("timestamps run faster than the host's clock")
    } else if seconds + 64.0 * resolution < 0.01 * wall {
        Err("timestamps run slower than the host's clock")
    } else {
        Ok(resolution)
    }
}

/// The smallest step observed of the host's clock, in seconds.
fn wall_resolution() -> f64 {
    let step = || {
        let start = Instant::now();
        loop {
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed > 0.0 {
                break elapsed;
            }
        }
    };
    (0..100).map(|_| step()).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_disagrees_with_the_hosts_is_refused() {
        assert_eq!(verdict(1e-9, 0.020, 0.022), Ok(1e-9));
        // The steps of 64 spans may hide much of a short time, and may add two steps to it.
        assert_eq!(verdict(65e-6, 0.0201, 0.020), Ok(65e-6));
        assert!(verdict(0.0, 0.02, 0.02).is_err());
        assert!(verdict(1e-9, 0.2, 0.02).is_err() && verdict(1e-9, 0.000_1, 0.02).is_err());
    }

    #[test]
    fn the_hosts_clock_advances() {
        let step = wall_resolution();
        assert!(step > 0.0 && step < 0.1, "{step}");
    }
}
