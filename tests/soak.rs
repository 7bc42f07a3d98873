//! Memory over 1,000 steps; alone in its process, so that what the process grows by is the run's.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;
mod small;

use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::TrainConfig;
use pollster::block_on;
use small::{settings, small, trainer};

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![harness::trial(&gpu, "memory_is_flat_over_1000_steps", memory_is_flat)]
    });
}

fn memory_is_flat(gpu: &Gpu) {
    let mut trainer =
        trainer(gpu, &LanguageConfig { layers: 1, ..small() }, &TrainConfig { steps: 1200, ..settings() });
    block_on(trainer.advance(200)).unwrap();
    let (before, resident) = (gpu.memory(), resident_bytes());
    block_on(trainer.advance(1000)).unwrap();
    assert_eq!(gpu.memory(), before);
    let grown = resident_bytes().saturating_sub(resident);
    // A leak of one 4 KiB object a step would be 4 MB; allocators and the driver's own caches stay below half of that.
    assert!(grown < 2 << 20, "the process grew by {grown} bytes in 1,000 steps");
}

/// Resident memory of this process; 0 where the system does not tell it in /proc.
fn resident_bytes() -> u64 {
    let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    4096 * statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
}
