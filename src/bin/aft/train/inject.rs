//! Faults on demand, for tests: `AFT_INJECT=lose-device@STEP` loses the device once, after that step or as soon as can be.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aft_wgpu::gpu::Gpu;

static LOSE_AT: LazyLock<Option<u32>> =
    LazyLock::new(|| std::env::var("AFT_INJECT").ok()?.strip_prefix("lose-device@")?.parse().ok());
static DONE: AtomicBool = AtomicBool::new(false);

/// What is to happen after `step` steps.
pub fn after_step(gpu: &Gpu, step: u32) {
    if LOSE_AT.is_some_and(|at| step >= at) && !DONE.swap(true, Ordering::Relaxed) {
        gpu.device().destroy();
    }
}
