//! State of a training command, from start to results. It survives the loss of a device.

use std::time::Instant;

use aft_wgpu::Result;
use aft_wgpu::data::{Bigram, Words};

use super::inject::Faults;
use super::job::Job;
use super::pace::Clock;
use super::valid::Valid;
use crate::interrupt::Interrupt;

/// Baselines to compare a run with, computed from the training text.
pub struct Yardstick {
    pub bigram: Bigram,
    pub words: Words,
    /// Bits per byte of the bigram model, on the text that the run is evaluated on.
    pub bits_per_byte: f64,
}

/// Everything that outlives a device.
pub struct Session {
    pub job: Job,
    pub valid: Valid,
    pub yardstick: Yardstick,
    pub interrupt: Interrupt,
    pub faults: Faults,
    pub clock: Clock,
    /// Devices lost since the last checkpoint.
    pub losses: u32,
    /// Whether the start message was printed.
    pub announced: bool,
}

impl Session {
    /// Computes the baselines from the text.
    pub fn new(job: Job, interrupt: Interrupt, faults: Faults, start: Instant) -> Result<Self> {
        let train = job.corpus.train.as_ref();
        let valid = Valid::new(&job.corpus, &job.config.model, job.config.valid_bytes)?;
        let bigram = Bigram::fit(train)?;
        let bits_per_byte = bigram.bits_per_byte_of(&valid.all, valid.windows)?;
        let yardstick = Yardstick { bigram, words: Words::of(train)?, bits_per_byte };
        let clock = Clock::new(start);
        Ok(Self { job, valid, yardstick, interrupt, faults, clock, losses: 0, announced: false })
    }
}
