//! Every form of AFT on the adapter of this machine: what other frameworks make of it, what the paper promises, and what has gone
//! wrong elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../harness.rs"]
mod harness;

mod causality;
mod common;
mod failures;
mod golden;
mod gradients;
mod judging;
mod large;
mod limits;
mod long;
mod memory;
mod offsets;
mod panels;
mod program;
mod properties;
mod refused;
mod shorter;

use aft_wgpu::gpu::{Gpu, GpuOptions, Target, Tuning};
use libtest_mimic::Trial;

fn main() {
    let floor = GpuOptions { floor: true, ..Default::default() };
    harness::run(&floor, |gpu| {
        // Kernels are planned differently for processors and for GPUs: every form is tested with both plans.
        let mut all = match &gpu {
            Some(gpu) => Tuning::ALL.into_iter().flat_map(|tuning| planned(&Some(gpu.with_tuning(tuning)))).collect(),
            None => planned(&None),
        };
        all.extend(
            [
                judging::trials(&gpu),
                large::trials(&gpu),
                limits::trials(&gpu),
                long::trials(&gpu),
                memory::trials(&gpu),
                panels::trials(&gpu),
                program::trials(&gpu),
                refused::trials(&gpu),
                shorter::trials(&gpu),
            ]
            .into_iter()
            .flatten(),
        );
        all
    });
}

/// Tests of which the plan in use is a part.
fn planned(gpu: &Option<Gpu>) -> Vec<Trial> {
    let rooms = [
        causality::trials(gpu),
        failures::trials(gpu),
        golden::trials(gpu),
        gradients::trials(gpu),
        offsets::trials(gpu),
        properties::trials(gpu),
    ];
    rooms.into_iter().flatten().collect()
}

/// A test that needs a device, named after the plan in use.
fn trial(gpu: &Option<Gpu>, name: &str, test: impl FnOnce(&Gpu) + Send + 'static) -> Trial {
    let plan = match gpu.as_ref().map(|gpu| gpu.tuning().target) {
        Some(Target::Cpu) => " (CPU tuning)",
        Some(Target::Gpu) => " (GPU tuning)",
        None => "",
    };
    harness::trial(gpu, format!("{name}{plan}"), test)
}
