//! A device that is lost, before or in the middle of everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use aft_wgpu::data::{DataError, Text};
use aft_wgpu::generate::Generator;
use aft_wgpu::gpu::{Gpu, Placement, Specialization};
use aft_wgpu::models::language::Language;
use aft_wgpu::random::pcg4d;
use aft_wgpu::train::{Checkpoint, Trainer};
use aft_wgpu::{Error, Result};
use pollster::block_on;

use crate::small::{settings, small, text, trainer, trainer_on};
use crate::{Trials, both, device, generate, run_to};

pub const TRIALS: Trials = &[
    ("a_lost_device_is_an_error", lost),
    ("a_device_lost_in_training", lost_in_training),
    ("a_device_lost_in_evaluation", lost_in_evaluation),
    ("a_device_lost_in_generation", lost_in_generation),
    ("a_device_lost_in_profiling", lost_in_profiling),
    ("a_device_lost_at_any_moment", lost_at_any_moment),
];

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
        let mut generator = block_on(Generator::new(gpu, &trainer.model, 1)).unwrap();
        block_on(trainer.advance(2)).unwrap();
        let checkpoint = block_on(trainer.checkpoint()).unwrap();
        let model = block_on(trainer.save()).unwrap();
        gpu.device().destroy();
        // The first call meets a device whose loss nothing has reported yet.
        is_lost(block_on(gpu.compile(aft_wgpu::catalogue::all()[0].0, &Specialization::new(Placement::Buffer))));
        is_lost(block_on(trainer.advance(1)));
        is_lost(block_on(trainer.save()));
        is_lost(block_on(trainer.checkpoint()));
        is_lost(block_on(trainer.evaluate(&text(), Some(1))));
        is_lost(block_on(trainer.profile()));
        is_lost(generate(&mut generator, 1, |_| ()));
        is_lost(block_on(Generator::new(gpu, &trainer.model, 1)));
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
        // The first read is the mark of the text.
        let mut trainer = trainer_on(doomed, &small(), &settings(), trap(doomed, 1 + windows * batches));
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
        let mut generator = block_on(Generator::new(doomed, &model, 1)).unwrap();
        let mut made = 0;
        is_lost(generate(&mut generator, 40, |i| {
            made = i + 1;
            if i == at {
                doomed.device().destroy();
            }
        }));
        // What was read back together with the byte in question is handed on.
        assert!((at + 1..40).contains(&made), "{made} bytes of a device that was lost at {at}");
    }
}

fn lost_in_profiling(gpu: &Gpu) {
    let doomed = &device(gpu);
    let mut trainer = trainer_on(doomed, &small(), &settings(), trap(doomed, 2));
    is_lost(block_on(trainer.profile()));
}

/// From another thread, at moments that differ from run to run: the call ends, with an error or before.
fn lost_at_any_moment(gpu: &Gpu) {
    for round in 0..12 {
        let doomed = device(gpu);
        let mut trainer = trainer(&doomed, &small(), &settings());
        let mut generator = block_on(Generator::new(&doomed, &trainer.model, 1)).unwrap();
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
