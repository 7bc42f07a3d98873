//! What a training command has from its first word to the results, whatever devices are lost on the way.

use std::time::Instant;

use aft_wgpu::Result;
use aft_wgpu::data::{Bigram, Words};

use super::inject::Faults;
use super::job::Job;
use super::pace::Clock;
use super::valid::Valid;
use crate::interrupt::Interrupt;

/// What a run is held against, from the training text alone.
pub struct Yardstick {
    pub bigram: Bigram,
    pub words: Words,
    /// Of the bigram model, on what the run is evaluated on.
    pub bits_per_byte: f64,
}

/// What outlasts a device.
pub struct Session {
    pub job: Job,
    pub valid: Valid,
    pub yardstick: Yardstick,
    pub interrupt: Interrupt,
    pub faults: Faults,
    pub clock: Clock,
    /// Devices lost since the last checkpoint.
    pub losses: u32,
    /// Whether it was said what is trained.
    pub announced: bool,
}

impl Session {
    /// Measures the text.
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
