//! Sizes beyond what a device grants: refused with the numbers, before anything is made.

use aft_wgpu::gpu::{Gpu, GpuOptions};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::train::{TrainConfig, Trainer};
use aft_wgpu::{Error, wgpu};
use pollster::block_on;

use crate::small::{settings, small, text, trainer};
use crate::{Trials, run_to};

pub const TRIALS: Trials = &[("limits_of_the_floor", limits_of_the_floor), ("limits_of_a_caller", limits_of_a_caller)];

fn refused(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, parts: &[&str]) {
    let before = gpu.memory();
    let error = block_on(Trainer::new(gpu, model, config, text())).err().unwrap();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part} is missing in: {error}");
    }
    assert_eq!(gpu.memory(), before, "something was made before: {error}");
}

fn limits_of_the_floor(like: &Gpu) {
    let options = GpuOptions { floor: true, ..Default::default() };
    let gpu = &Gpu::request_blocking(&options).unwrap().with_tuning(*like.tuning());
    let one = TrainConfig { batch: 1, ..settings() };
    // The floor binds 128 MiB: 131,072 positions of 300 biases are more.
    let band = LanguageConfig { length: 131_072, window: 300, ..small() };
    refused(gpu, &band, &one, &["position biases", "134217728", "max_storage_buffer_binding_size", "--window"]);
    let wide = LanguageConfig { dim: 4096, ..small() };
    refused(gpu, &wide, &one, &["a weight", "134217728", "--dim"]);
    let expected = run_to(&mut trainer(like, &small(), &settings()), 3);
    assert!(run_to(&mut trainer(gpu, &small(), &settings()), 3) == expected, "the floor gives other bits");
}

/// A caller's device with less than the floor.
fn limits_of_a_caller(like: &Gpu) {
    let granted = 1 << 20;
    let adapter = block_on(wgpu::Instance::default().request_adapter(&Default::default())).unwrap();
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits { max_storage_buffer_binding_size: granted, ..Default::default() },
        ..Default::default()
    };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).unwrap();
    let gpu = &Gpu::from_device(device, queue).unwrap().with_tuning(*like.tuning());
    assert_eq!(gpu.caps().limits.max_storage_buffer_binding_size, granted);
    let batch = TrainConfig { batch: 100, ..settings() };
    refused(gpu, &small(), &batch, &["an activation", "1048576", "--batch"]);
    block_on(trainer(gpu, &small(), &settings()).advance(1)).unwrap();
}
