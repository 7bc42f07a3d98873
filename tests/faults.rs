//! Faults of the device: no memory for one allocation, a lost device in the middle of everything, kernels that do not compile,
//! limits, many threads. Each is a typed error that says what to do, and leaves everything else as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;
mod small;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use aft_wgpu::data::{DataError, Text};
use aft_wgpu::generate::Generator;
use aft_wgpu::gpu::{AdapterClass, Gpu, GpuOptions, Kernel, Placement, Variant};
use aft_wgpu::models::language::{Language, LanguageConfig};
use aft_wgpu::random::pcg4d;
use aft_wgpu::train::{Checkpoint, TrainConfig, Trainer};
use aft_wgpu::{Error, Result, wgpu};
use harness::trial;
use pollster::block_on;
use small::{settings, small, text, trainer, trainer_on};

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![
            trial(&gpu, "no_memory_for_a_trainer", no_memory_for_a_trainer),
            trial(&gpu, "no_memory_while_resuming", no_memory_while_resuming),
            trial(&gpu, "no_memory_while_training", no_memory_while_training),
            trial(&gpu, "no_memory_while_evaluating", no_memory_while_evaluating),
            trial(&gpu, "no_memory_while_generating", no_memory_while_generating),
            trial(&gpu, "no_memory_while_loading_and_saving", no_memory_while_loading_and_saving),
            trial(&gpu, "no_memory_while_profiling", no_memory_while_profiling),
            trial(&gpu, "a_broken_kernel_is_named_with_its_line", broken_kernel),
            trial(&gpu, "a_lost_device_is_an_error", lost),
            trial(&gpu, "a_device_lost_in_training", lost_in_training),
            trial(&gpu, "a_device_lost_in_evaluation", lost_in_evaluation),
            trial(&gpu, "a_device_lost_in_generation", lost_in_generation),
            trial(&gpu, "a_device_lost_in_profiling", lost_in_profiling),
            trial(&gpu, "a_device_lost_at_any_moment", lost_at_any_moment),
            trial(&gpu, "limits_of_the_floor", limits_of_the_floor),
            trial(&gpu, "limits_of_a_caller", limits_of_a_caller),
            trial(&gpu, "eight_threads_share_a_device", eight_threads),
            trial(&gpu, "a_failing_thread_fails_alone", failing_thread),
        ]
    });
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Gpu>();
};

/// A device of its own: what a test does to it, no other sees.
fn device(like: &Gpu) -> Gpu {
    Gpu::request_blocking(&Default::default()).unwrap().plan_as(like.planned_as())
}

/// Both plans of kernels on devices of their own.
fn both(like: &Gpu) -> [Gpu; 2] {
    [AdapterClass::Software, AdapterClass::Discrete].map(|class| device(like).plan_as(class))
}

/// What `trainer` is after `steps` steps in all, as bytes.
fn run_to(trainer: &mut Trainer, steps: u32) -> Vec<u8> {
    block_on(trainer.advance(steps - trainer.step())).unwrap();
    block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap()
}

fn generate(generator: &mut Generator, count: usize, mut on_byte: impl FnMut(usize)) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let take = |byte| {
        on_byte(bytes.len());
        bytes.push(byte);
        ControlFlow::Continue(())
    };
    block_on(generator.generate(b"the ", count, 1.0, 7, take))?;
    Ok(bytes)
}

// --- No memory -----------------------------------------------------------------------------------------------------------

/// Runs `act` once for each of its allocations, with that one denied, then once with none: each time it fails as out of memory
/// and the device goes on; the last time it succeeds. Returns how many were denied.
fn deny_each<T>(gpu: &Gpu, mut act: impl FnMut() -> Result<T>) -> (u64, T) {
    for n in 1.. {
        gpu.fail_allocation(n);
        let outcome = act();
        // What was not reached must not hit another.
        gpu.fail_allocation(0);
        gpu.check().unwrap();
        match outcome {
            Ok(value) => return (n - 1, value),
            Err(error) => {
                assert!(matches!(&error, Error::OutOfMemory { asked_bytes: 1.., .. }), "allocation {n}: {error}");
                assert!(error.to_string().contains("Try a smaller"), "{error}");
            }
        }
    }
    unreachable!("an act has no end of allocations")
}

/// [`deny_each`] for an act that reads from the device: what it makes room with stays for the next readback, and no more.
fn deny_each_and_leak_nothing<T: PartialEq>(gpu: &Gpu, mut act: impl FnMut() -> Result<T>) -> u64 {
    let (denied, value) = deny_each(gpu, &mut act);
    let live = gpu.memory().live_bytes;
    assert!(act().unwrap() == value, "what had failed gives something else");
    assert_eq!(gpu.memory().live_bytes, live, "memory leaks");
    denied
}

fn no_memory_for_a_trainer(gpu: &Gpu) {
    for gpu in &both(gpu) {
        let expected = run_to(&mut trainer(gpu, &small(), &settings()), 6);
        let mut witness = trainer(gpu, &small(), &settings());
        block_on(witness.advance(3)).unwrap();
        let live = gpu.memory().live_bytes;
        let (denied, mut made) = deny_each(gpu, || {
            let made = block_on(Trainer::new(gpu, &small(), &settings(), text()));
            assert!(made.is_ok() || gpu.memory().live_bytes == live, "a failed build leaks");
            made
        });
        // A uniform a dispatch, and planes, pages and pools.
        assert!(denied > 100, "{denied} allocations");
        assert!(run_to(&mut witness, 6) == expected, "a trainer made before gives other bits");
        assert!(run_to(&mut made, 6) == expected, "a trainer made after gives other bits");
    }
}

fn no_memory_while_resuming(gpu: &Gpu) {
    let gpu = &device(gpu);
    let mut first = trainer(gpu, &small(), &settings());
    block_on(first.advance(3)).unwrap();
    let checkpoint = block_on(first.checkpoint()).unwrap();
    let (denied, mut resumed) = deny_each(gpu, || block_on(Trainer::resume(gpu, &checkpoint, text())));
    assert!(denied > 100, "{denied} allocations");
    assert!(run_to(&mut resumed, 6) == run_to(&mut first, 6));
}

/// A step allocates nothing, but the first readback of records and of a checkpoint does. Steps whose records could not be read
/// are done.
fn no_memory_while_training(gpu: &Gpu) {
    for gpu in &both(gpu) {
        let mut trainer = trainer(gpu, &small(), &settings());
        let (denied, records) = deny_each(gpu, || block_on(trainer.advance(2)));
        assert!(denied > 0 && records.len() == 2 && records[0].step == 2 * denied as u32, "{denied}: {records:?}");
        let trainer = std::cell::RefCell::new(trainer);
        let denied = deny_each_and_leak_nothing(gpu, || block_on(trainer.borrow().checkpoint()));
        assert!(denied > 0);
        let steps = trainer.borrow().step() + 3;
        let expected = run_to(&mut small::trainer(gpu, &small(), &settings()), steps);
        assert!(run_to(&mut trainer.borrow_mut(), steps) == expected);
    }
}

fn no_memory_while_evaluating(gpu: &Gpu) {
    for gpu in &both(gpu) {
        let mut trainer = trainer(gpu, &small(), &settings());
        let denied = deny_each_and_leak_nothing(gpu, || block_on(trainer.evaluate(&text(), Some(20))));
        assert!(denied > 0);
        assert!(run_to(&mut trainer, 3) == run_to(&mut small::trainer(gpu, &small(), &settings()), 3));
    }
}

fn no_memory_while_generating(gpu: &Gpu) {
    for gpu in &both(gpu) {
        let model = trainer(gpu, &small(), &settings()).model;
        let live = gpu.memory().live_bytes;
        let (denied, mut generator) = deny_each(gpu, || {
            let made = block_on(Generator::new(gpu, &model));
            assert!(made.is_ok() || gpu.memory().live_bytes == live, "a failed build leaks");
            made
        });
        assert!(denied > 20, "{denied} allocations");
        assert!(deny_each_and_leak_nothing(gpu, || generate(&mut generator, 5, |_| ())) > 0);
    }
}

fn no_memory_while_loading_and_saving(gpu: &Gpu) {
    for gpu in &both(gpu) {
        let bytes = block_on(trainer(&device(gpu), &small(), &settings()).save()).unwrap();
        let (denied, model) = deny_each(gpu, || block_on(Language::load(gpu, &bytes, 24)));
        assert!(denied > 0);
        assert!(deny_each_and_leak_nothing(gpu, || block_on(model.save(gpu))) > 0);
        assert!(block_on(model.save(gpu)).unwrap() == bytes);
    }
}

fn no_memory_while_profiling(gpu: &Gpu) {
    let gpu = &device(gpu);
    let mut trainer = trainer(gpu, &small(), &settings());
    let (denied, (_, times)) = deny_each(gpu, || block_on(trainer.profile()));
    assert!(denied > 0 || !gpu.caps().features.contains(wgpu::Features::TIMESTAMP_QUERY));
    assert!(times.len() > 10);
}

// --- Kernels that do not compile -----------------------------------------------------------------------------------------

static BROKEN: Kernel = Kernel {
    stem: "aft/broken",
    entry: "broken",
    source: &[
        "struct Params { unused: u32 }\n",
        "@compute @workgroup_size(1)\nfn broken() {\n    let sum = missing + params.unused;\n}\n",
    ],
    params: &[("unused", 0)],
    operands: &[],
};

static BROKEN_PART: Kernel = Kernel {
    stem: "aft/whole",
    entry: "whole",
    source: &[
        "struct Params { unused: u32 }\n\nfn helper() -> u32 { return absent; }",
        "@compute @workgroup_size(1)\nfn whole() {\n    let sum = helper() + params.unused;\n}\n",
    ],
    params: &[("unused", 0)],
    operands: &[],
};

static OTHER_ENTRY: Kernel = Kernel {
    stem: "aft/other",
    entry: "nowhere",
    source: &["struct Params { unused: u32 }\n@compute @workgroup_size(1)\nfn other() { _ = params.unused; }\n"],
    params: &[("unused", 0)],
    operands: &[],
};

fn broken_kernel(gpu: &Gpu) {
    let gpu = &device(gpu);
    let mut witness = trainer(gpu, &small(), &settings());
    for (kernel, parts) in [
        (&BROKEN, &["aft/broken:broken", "shaders/aft/broken.wgsl line 3", "`let sum = missing", "report this"][..]),
        (&BROKEN_PART, &["aft/whole:whole", "part 1 of its source line 3", "return absent"]),
        (&OTHER_ENTRY, &["aft/other:nowhere"]),
    ] {
        let error = block_on(gpu.compile(kernel, &Variant::plain(Placement::Buffer))).unwrap_err();
        assert!(matches!(error, Error::Rejected { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
        gpu.check().unwrap();
    }
    // It is not kept: the second time it is compiled, and rejected, again.
    assert!(block_on(gpu.compile(&BROKEN, &Variant::plain(Placement::Buffer))).is_err());
    for (kernel, variant) in aft_wgpu::ops::catalogue().iter().take(3) {
        block_on(gpu.compile(kernel, variant)).unwrap();
    }
    let expected = run_to(&mut trainer(gpu, &small(), &settings()), 3);
    assert!(run_to(&mut witness, 3) == expected);
}

// --- A lost device -------------------------------------------------------------------------------------------------------

/// A text at whose `nth` read, from 1, a device is lost.
struct Trap {
    text: Arc<dyn Text>,
    gpu: Gpu,
    nth: u64,
    reads: AtomicU64,
}

impl Text for Trap {
    fn len(&self) -> u64 {
        self.text.len()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError> {
        if self.reads.fetch_add(1, Ordering::SeqCst) + 1 == self.nth {
            self.gpu.device().destroy();
        }
        self.text.read_at(offset, into)
    }
}

fn trap(gpu: &Gpu, nth: u64) -> Arc<dyn Text> {
    Arc::new(Trap { text: text(), gpu: gpu.clone(), nth, reads: AtomicU64::new(0) })
}

fn is_lost<T>(outcome: Result<T>) {
    let Err(error) = outcome else { panic!("a lost device went on") };
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
    assert!(error.to_string().contains("last checkpoint"), "{error}");
}

/// Every call on a device that was lost before.
fn lost(like: &Gpu) {
    for gpu in &both(like) {
        let mut trainer = trainer(gpu, &small(), &settings());
        let mut generator = block_on(Generator::new(gpu, &trainer.model)).unwrap();
        block_on(trainer.advance(2)).unwrap();
        let checkpoint = block_on(trainer.checkpoint()).unwrap();
        let model = block_on(trainer.save()).unwrap();
        gpu.device().destroy();
        // The first call meets a device whose loss nothing has reported yet.
        is_lost(block_on(gpu.compile(aft_wgpu::ops::catalogue()[0].0, &Variant::plain(Placement::Buffer))));
        is_lost(block_on(trainer.advance(1)));
        is_lost(block_on(trainer.save()));
        is_lost(block_on(trainer.checkpoint()));
        is_lost(block_on(trainer.evaluate(&text(), Some(1))));
        is_lost(block_on(trainer.profile()));
        is_lost(generate(&mut generator, 1, |_| ()));
        is_lost(block_on(Generator::new(gpu, &trainer.model)));
        is_lost(block_on(Language::load(gpu, &model, 24)));
        is_lost(block_on(Trainer::new(gpu, &small(), &settings(), text())));
        is_lost(block_on(Trainer::resume(gpu, &checkpoint, text())));
    }
}

/// At the first batch, in the middle of the batches that are filled ahead, at the last.
fn lost_in_training(gpu: &Gpu) {
    let expected = run_to(&mut trainer(gpu, &small(), &settings()), 30);
    for batches in [1, 2, 12, 40] {
        let doomed = &device(gpu);
        let windows = u64::from(settings().batch);
        let mut trainer = trainer_on(doomed, &small(), &settings(), trap(doomed, windows * batches));
        let mut last = None;
        let outcome = loop {
            match block_on(trainer.advance(10)) {
                Ok(_) if trainer.step() < 60 => last = Some(trainer.step()),
                outcome => break outcome,
            }
        };
        is_lost(outcome);
        // What was reached before depends on no chance: the trap is a read of the text.
        assert_eq!(last, [None, Some(10), Some(20), Some(30)][(batches.saturating_sub(1) / 10) as usize]);
    }
    let doomed = &device(gpu);
    let mut trainer = trainer(doomed, &small(), &settings());
    block_on(trainer.advance(7)).unwrap();
    let bytes = block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap();
    block_on(trainer.advance(3)).unwrap();
    doomed.device().destroy();
    is_lost(block_on(trainer.advance(1)));
    drop(trainer);
    let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
    let mut resumed = block_on(Trainer::resume(&device(gpu), &checkpoint, text())).unwrap();
    assert!(run_to(&mut resumed, 30) == expected);
}

fn lost_in_evaluation(gpu: &Gpu) {
    for nth in [1, 2, 8, 20] {
        let doomed = &device(gpu);
        let mut trainer = trainer(doomed, &small(), &settings());
        is_lost(block_on(trainer.evaluate(&trap(doomed, nth), None)));
    }
}

fn lost_in_generation(gpu: &Gpu) {
    for at in [0, 1, 30] {
        let doomed = &device(gpu);
        let model = trainer(doomed, &small(), &settings()).model;
        let mut generator = block_on(Generator::new(doomed, &model)).unwrap();
        let mut made = 0;
        is_lost(generate(&mut generator, 40, |i| {
            made = i + 1;
            if i == at {
                doomed.device().destroy();
            }
        }));
        assert_eq!(made, at + 1, "bytes of a lost device");
    }
}

fn lost_in_profiling(gpu: &Gpu) {
    let doomed = &device(gpu);
    let mut trainer = trainer_on(doomed, &small(), &settings(), trap(doomed, 1));
    is_lost(block_on(trainer.profile()));
}

/// From another thread, at moments that differ from run to run: the call ends, with an error or before.
fn lost_at_any_moment(gpu: &Gpu) {
    for round in 0..12 {
        let doomed = device(gpu);
        let mut trainer = trainer(&doomed, &small(), &settings());
        let mut generator = block_on(Generator::new(&doomed, &trainer.model)).unwrap();
        let wait = Duration::from_micros(u64::from(pcg4d([round, 0, 0, 0])[0] % 50_000));
        let killer = thread::spawn(move || {
            thread::sleep(wait);
            doomed.device().destroy();
        });
        is_lost((0..1000).try_for_each(|_| {
            match round % 4 {
                0 => drop(block_on(trainer.advance(1))?),
                1 => drop(block_on(trainer.checkpoint())?),
                2 => _ = block_on(trainer.evaluate(&text(), Some(9)))?,
                _ => drop(generate(&mut generator, 5, |_| ())?),
            }
            Ok(())
        }));
        killer.join().unwrap();
    }
}

// --- Limits --------------------------------------------------------------------------------------------------------------

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
    let gpu = &Gpu::request_blocking(&options).unwrap().plan_as(like.planned_as());
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
    let gpu = &Gpu::from_device(device, queue).unwrap().plan_as(like.planned_as());
    assert_eq!(gpu.caps().limits.max_storage_buffer_binding_size, granted);
    let batch = TrainConfig { batch: 100, ..settings() };
    refused(gpu, &small(), &batch, &["an activation", "1048576", "--batch"]);
    block_on(trainer(gpu, &small(), &settings()).advance(1)).unwrap();
}

// --- Threads -------------------------------------------------------------------------------------------------------------

/// Training, evaluation and generation of a model with seed `seed`.
fn whole_life(gpu: &Gpu, seed: u64) -> (Vec<u8>, u64, Vec<u8>) {
    let mut trainer = trainer(gpu, &small(), &TrainConfig { seed, ..settings() });
    let trained = run_to(&mut trainer, 12);
    let evaluated = block_on(trainer.evaluate(&text(), Some(10))).unwrap();
    let mut generator = block_on(Generator::new(gpu, &trainer.model)).unwrap();
    let generated = generate(&mut generator, 10, |_| ()).unwrap();
    (trained, evaluated.to_bits(), generated)
}

fn eight_threads(gpu: &Gpu) {
    let gpu = &device(gpu);
    let alone: Vec<_> = (0..8).map(|seed| whole_life(gpu, seed)).collect();
    assert!(alone[0] != alone[1], "seeds change nothing");
    let together = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|seed| scope.spawn(move || whole_life(gpu, seed))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    for (seed, (alone, together)) in alone.iter().zip(&together).enumerate() {
        assert!(alone == together, "seed {seed}: other bits beside other threads");
    }
}

fn failing_thread(gpu: &Gpu) {
    let gpu = &device(gpu);
    let expected = whole_life(gpu, 0);
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut failures = 0;
            while !done.load(Ordering::SeqCst) || failures == 0 {
                let outcome = block_on(gpu.compile(&BROKEN, &Variant::plain(Placement::Buffer)));
                assert!(matches!(outcome, Err(Error::Rejected { .. })), "{outcome:?}");
                failures += 1;
            }
        });
        let others: Vec<_> = (0..3).map(|_| scope.spawn(move || whole_life(gpu, 0))).collect();
        let others: Vec<_> = others.into_iter().map(|t| t.join()).collect();
        done.store(true, Ordering::SeqCst);
        for other in others {
            assert!(other.unwrap() == expected, "a failing thread changed another's bits");
        }
    });
    gpu.check().unwrap();
}
