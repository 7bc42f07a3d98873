//! No memory for one allocation, whichever it is: an error, and everything else goes on.

use aft_wgpu::bench::{BenchOptions, Effort, Filter, Results, run};
use aft_wgpu::generate::Generator;
use aft_wgpu::gpu::Gpu;
use aft_wgpu::models::language::Language;
use aft_wgpu::train::Trainer;
use aft_wgpu::{Error, Result, wgpu};
use pollster::block_on;

use crate::small::{self, settings, small, text, trainer};
use crate::{Trials, both, device, generate, run_to};

pub const TRIALS: Trials = &[
    ("no_memory_for_a_trainer", no_memory_for_a_trainer),
    ("no_memory_while_resuming", no_memory_while_resuming),
    ("no_memory_while_training", no_memory_while_training),
    ("no_memory_while_evaluating", no_memory_while_evaluating),
    ("no_memory_while_generating", no_memory_while_generating),
    ("no_memory_while_loading_and_saving", no_memory_while_loading_and_saving),
    ("no_memory_while_profiling", no_memory_while_profiling),
    ("no_memory_while_measuring", no_memory_while_measuring),
];

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
            let made = block_on(Generator::new(gpu, &model, 1));
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

/// Some of the allocations of a benchmark: of limits, of cases, and of what they are held against.
fn no_memory_while_measuring(gpu: &Gpu) {
    let gpu = &device(gpu);
    let filter = Filter { op: Some("aft".into()), form: Some("simple".into()), length: None };
    let options = BenchOptions { effort: Effort::Quick, filter, commit: None };
    let mut denied = 0;
    for n in [25, 60, 95, 130] {
        gpu.fail_allocation(n);
        let mut results = Results::new(gpu);
        let outcome = block_on(run(gpu, &options, &mut results, |_| (), &|| false));
        gpu.fail_allocation(0);
        gpu.check().unwrap();
        assert!(outcome.unwrap().is_continue(), "allocation {n}");
        let untaken = results.skipped.iter().filter(|skipped| !skipped.case.starts_with("limit: ")).count();
        // Two lengths, causal or not, each with two directions, or a reason.
        assert_eq!(results.rows.len() + 2 * untaken, 8, "allocation {n}: {:?}", results.skipped);
        assert!(results.failures().is_empty());
        denied += results.skipped.iter().filter(|skipped| skipped.reason.contains("Try a smaller")).count();
    }
    assert!(denied > 0, "nothing was denied");
}
