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
use aft_wgpu::gpu::{Gpu, GpuOptions};
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
    let mut trials = Vec::new();
    trials.extend(adamw::trials(&gpu));
    trials.extend(cross_entropy::trials(&gpu));
    trials.extend(dropout::trials(&gpu));
    trials.extend(embedding::trials(&gpu));
    trials.extend(gradient_norm::trials(&gpu));
    trials.extend(layer_norm::trials(&gpu));
    trials.extend(linear::trials(&gpu));
    trials.extend(train_state::trials(&gpu));
    trials.extend(aft_local::trials(&gpu));
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that needs a device; ignored where there is none.
fn trial(gpu: &Option<Gpu>, name: impl Into<String>, test: impl FnOnce(&Gpu) + Send + 'static) -> Trial {
    let name = name.into();
    match gpu.clone() {
        Some(gpu) => Trial::test(name, move || {
            test(&gpu);
            Ok(())
        }),
        None => Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind("no adapter"),
    }
}
