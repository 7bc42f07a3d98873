//! `aft train text`: a byte-level language model.

use std::time::Instant;

use super::args::Args;
use super::begin::begin;
use super::devices::complete;
use super::inject::Faults;
use super::resume::resume;
use super::session::Session;
use crate::interrupt::Interrupt;

pub fn run(args: &Args, start: Instant) -> anyhow::Result<()> {
    let interrupt = Interrupt::install("finishing the step and saving; once more to quit at once")?;
    let faults = Faults::from_env()?;
    let job = match &args.resume {
        Some(path) => resume(args, path)?,
        None => Some(begin(args)?),
    };
    let Some(job) = job else { return Ok(()) };
    let mut session = Session::new(job, interrupt, faults, start)?;
    let summary = pollster::block_on(complete(&mut session, args.profile))?;
    if args.json { summary.print_json() } else { summary.print() }
}
