//! A test harness for tests that need a device. With no adapter each of them is reported as ignored, with the reason; where
//! `AFT_REQUIRE_ADAPTER` is set, the run fails.

use aft_wgpu::Error;
use aft_wgpu::gpu::{Gpu, GpuOptions};
use libtest_mimic::{Arguments, Trial};

/// Makes the one device of the process and runs the trials.
pub fn run(options: &GpuOptions, trials: impl FnOnce(Option<Gpu>) -> Vec<Trial>) {
    let mut arguments = Arguments::from_args();
    // A software adapter uses every core by itself.
    arguments.test_threads.get_or_insert(2);
    let gpu = match Gpu::request_blocking(options) {
        Ok(gpu) => Some(gpu),
        Err(Error::NoAdapter { .. }) if std::env::var_os("AFT_REQUIRE_ADAPTER").is_none() => None,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    match &gpu {
        Some(gpu) => eprintln!("adapter: {}", gpu.caps().adapter),
        None => eprintln!("no adapter: tests that need one are ignored (install a Vulkan driver to run them)"),
    }
    libtest_mimic::run(&arguments, trials(gpu)).exit();
}

/// A test that needs a device; ignored where there is none.
pub fn trial(gpu: &Option<Gpu>, name: impl Into<String>, test: impl FnOnce(&Gpu) + Send + 'static) -> Trial {
    match gpu.clone() {
        Some(gpu) => Trial::test(name, move || {
            test(&gpu);
            Ok(())
        }),
        None => Trial::test(name, || Ok(())).with_ignored_flag(true).with_kind("no adapter"),
    }
}
