//! Every kernel against its f64 reference, on the adapter of this machine. One file a stem; one device for all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../harness.rs"]
mod harness;

mod adamw;
mod aft_common;
mod aft_kernel_norm;
mod aft_local_stream;
mod aft_mix;
mod aft_mix_local;
mod aft_simple;
mod aft_simple_stream;
mod aft_stream;
mod attention;
mod attention_stream;
mod common;
mod cross_entropy;
mod cursor;
mod dropout;
mod embedding;
mod gradient_norm;
mod layer_norm;
mod linear;
mod sample;
mod stream_embedding;
mod train_state;
mod training;

use aft_wgpu::gpu::{Gpu, GpuOptions, Target, Tuning};
use libtest_mimic::Trial;

fn main() {
    // What every device grants is what the kernels may use. They are planned differently for processors and for GPUs: every test
    // runs with both plans.
    let floor = GpuOptions { floor: true, ..Default::default() };
    harness::run(&floor, |gpu| match gpu {
        Some(gpu) => Tuning::ALL.into_iter().flat_map(|tuning| trials(&Some(gpu.with_tuning(tuning)))).collect(),
        None => trials(&None),
    });
}

fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    [
        adamw::trials(gpu),
        aft_kernel_norm::trials(gpu),
        aft_local_stream::trials(gpu),
        aft_mix::trials(gpu),
        aft_mix_local::trials(gpu),
        aft_simple::trials(gpu),
        aft_simple_stream::trials(gpu),
        attention::trials(gpu),
        attention_stream::trials(gpu),
        cross_entropy::trials(gpu),
        cursor::trials(gpu),
        dropout::trials(gpu),
        embedding::trials(gpu),
        gradient_norm::trials(gpu),
        layer_norm::trials(gpu),
        linear::trials(gpu),
        sample::trials(gpu),
        stream_embedding::trials(gpu),
        train_state::trials(gpu),
    ]
    .into_iter()
    .flatten()
    .collect()
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
