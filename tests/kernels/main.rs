//! Every kernel against its f64 reference, on the adapter of this machine. One file a stem; one device for all.
//!
//! With no adapter every test is reported as ignored; where `AFT_REQUIRE_ADAPTER` is set, as failed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

mod adamw;
mod aft_common;
mod aft_local;
mod common;
mod cross_entropy;
mod dropout;
mod embedding;
mod gradient_norm;
mod layer_norm;
mod linear;
mod train_state;
mod training;

use aft_wgpu::Error;
use aft_wgpu::gpu::{AdapterClass, Gpu, GpuOptions};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // Two drivers' worth of threads gain nothing on a software adapter.
    arguments.test_threads.get_or_insert(2);
    let floor = std::env::var_os("AFT_TEST_FLOOR").is_some();
    let gpu = match Gpu::request_blocking(&GpuOptions { adapter: None, floor }) {
        Ok(gpu) => Some(gpu),
        Err(Error::NoAdapter { .. }) if std::env::var_os("AFT_REQUIRE_ADAPTER").is_none() => None,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    match &gpu {
        Some(gpu) => eprintln!("adapter: {}", gpu.caps().adapter),
        None => eprintln!("no adapter: all tests are ignored (install a Vulkan driver to run them)"),
    }
    // Kernels are planned differently for processors and for GPUs: every test runs with both plans.
    let trials = match gpu {
        Some(gpu) => {
            let classes = [AdapterClass::Software, AdapterClass::Discrete];
            classes.into_iter().flat_map(|class| trials(&Some(gpu.plan_as(class)))).collect()
        }
        None => trials(&None),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    [
        adamw::trials(gpu),
        cross_entropy::trials(gpu),
        dropout::trials(gpu),
        embedding::trials(gpu),
        gradient_norm::trials(gpu),
        layer_norm::trials(gpu),
        linear::trials(gpu),
        train_state::trials(gpu),
        aft_local::trials(gpu),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A test that needs a device; ignored where there is none.
fn trial(gpu: &Option<Gpu>, name: impl Into<String>, test: impl FnOnce(&Gpu) + Send + 'static) -> Trial {
    let name = name.into();
    match gpu.clone() {
        Some(gpu) => Trial::test(format!("{name} ({} plan)", plan(&gpu)), move || {
            test(&gpu);
            Ok(())
        }),
        None => Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind("no adapter"),
    }
}

fn plan(gpu: &Gpu) -> &'static str {
    if gpu.planned_as() == AdapterClass::Software { "processor" } else { "GPU" }
}
