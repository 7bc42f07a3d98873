//! The device: a caller's own, and wrong calls.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod harness;
mod small;

use std::sync::Arc;

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::{Error, wgpu};
use harness::trial;
use pollster::block_on;
use small::{settings, small, trainer};

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![
            trial(&gpu, "a_borrowed_device_keeps_its_handlers", borrowed_device),
            trial(&gpu, "a_wrong_range_is_an_error_and_harms_nothing", wrong_range),
            trial(&gpu, "scratch_memory_is_used_again_once_no_handle_is_left", scratch),
        ]
    });
}

/// The last handle gives memory back, and no other; a handle outlives its builder.
fn scratch(gpu: &Gpu) {
    let builder = &mut Builder::new(gpu, Placement::Buffer);
    let first = builder.scratch("first", 1000).unwrap();
    let (memory, clone) = ((*first).clone(), first.clone());
    drop(first);
    let second = builder.scratch("second", 1000).unwrap();
    assert!(*second != memory, "a handle of it is left");
    drop(clone);
    let third = builder.scratch("third", 900).unwrap();
    assert!(*third == memory);
    assert!(*builder.scratch("large", 1 << 20).unwrap() != memory);
    let before = gpu.memory();
    for _ in 0..3 {
        let plane = builder.plane("plane", 3, 5).unwrap();
        assert_eq!((plane.rows, plane.cols), (3, 5));
    }
    assert_eq!(gpu.memory().allocations, before.allocations + 1);
    *builder = Builder::new(gpu, Placement::Buffer);
    gpu.write(&third, 0, &[1; 16]).unwrap();
    drop(third);
    assert!(*builder.scratch("fourth", 1000).unwrap() != memory, "it is of another builder");
}

/// A caller's device: results as on our own, errors of the caller's reach the caller's handler, ours stay in our results.
fn borrowed_device(gpu: &Gpu) {
    let own = Gpu::request_blocking(&Default::default()).unwrap();
    let (device, queue) = (own.device().clone(), own.queue().clone());
    let seen = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = Arc::clone(&seen);
    device.on_uncaptured_error(Arc::new(move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }));
    let borrowed = Gpu::from_device(device.clone(), queue).unwrap();
    let run = |gpu: &Gpu| {
        let mut trainer = trainer(gpu, &small(), &settings());
        block_on(trainer.advance(5)).unwrap();
        block_on(trainer.save()).unwrap()
    };
    assert!(run(&borrowed) == run(&gpu.with_tuning(*borrowed.tuning())), "a borrowed device gives other bits");
    let count = || seen.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(count(), 0);
    let bad =
        wgpu::BufferDescriptor { label: None, size: 4, usage: wgpu::BufferUsages::empty(), mapped_at_creation: false };
    let _ = device.create_buffer(&bad);
    assert_eq!(count(), 1, "the caller's handler was replaced");
    let caught = block_on(borrowed.checked("a test", || {
        let _ = device.create_buffer(&bad);
        Ok(())
    }));
    assert!(matches!(caught, Err(Error::Rejected { .. })), "{caught:?}");
    assert_eq!(count(), 1, "an error of ours reached the caller's handler");
}

fn wrong_range(gpu: &Gpu) {
    let buffer = gpu.upload("test", &[1u32, 2, 3, 4]).unwrap();
    for (offset, bytes) in [(0, 20), (16, 4), (1, 4), (0, 3), (u64::MAX, 8)] {
        let read = block_on(gpu.read::<u32>(&buffer, offset, bytes));
        assert!(matches!(read, Err(Error::Shape { .. })), "{offset} {bytes}: {read:?}");
    }
    assert!(matches!(gpu.write(&buffer, 12, &[0; 8]), Err(Error::Shape { .. })));
    assert!(gpu.upload("test", &[1u8, 2, 3]).is_err());
    assert_eq!(block_on(gpu.read::<u32>(&buffer, 4, 8)).unwrap(), [2, 3]);
}
