//! Faults of the device. Each is a typed error that says what to do, and leaves everything else as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../harness.rs"]
mod harness;
#[path = "../small.rs"]
mod small;

mod kernels;
mod limits;
mod lost;
mod memory;
mod threads;

use std::ops::ControlFlow;

use aft_wgpu::Result;
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::{Gpu, Tuning};
use aft_wgpu::train::Trainer;
use libtest_mimic::Trial;
use pollster::block_on;

fn main() {
    harness::run(&Default::default(), |gpu| {
        let rooms = [memory::TRIALS, kernels::TRIALS, lost::TRIALS, limits::TRIALS, threads::TRIALS];
        rooms.concat().into_iter().map(|(name, test)| harness::trial(&gpu, name, test)).collect::<Vec<Trial>>()
    });
}

/// Tests by name.
type Trials = &'static [(&'static str, fn(&Gpu))];

/// A device of its own: what a test does to it, no other sees.
fn device(like: &Gpu) -> Gpu {
    Gpu::request_blocking(&Default::default()).unwrap().with_tuning(*like.tuning())
}

/// Both plans of kernels on devices of their own.
fn both(like: &Gpu) -> [Gpu; 2] {
    Tuning::ALL.map(|tuning| device(like).with_tuning(tuning))
}

/// What `trainer` is after `steps` steps in all, as bytes.
fn run_to(trainer: &mut Trainer, steps: u32) -> Vec<u8> {
    block_on(trainer.advance(steps - trainer.step())).unwrap();
    block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap()
}

fn generate(generator: &mut Generator, count: usize, mut on_byte: impl FnMut(usize)) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let take = |tokens: &[u8]| {
        on_byte(bytes.len());
        bytes.extend_from_slice(tokens);
        ControlFlow::Continue(())
    };
    generator.restart();
    block_on(generator.read(b"the "))?;
    block_on(generator.generate(count, &Sampling { temperature: 1.0, seed: 7, ..Default::default() }, take))?;
    Ok(bytes)
}
