//! Many threads on one device: the bits of one alone, and errors stay where they belong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aft_wgpu::Error;
use aft_wgpu::generate::Generator;
use aft_wgpu::gpu::{Gpu, Placement, Specialization};
use aft_wgpu::train::TrainConfig;
use pollster::block_on;

use crate::kernels::BROKEN;
use crate::small::{settings, small, text, trainer};
use crate::{Trials, device, generate, run_to};

pub const TRIALS: Trials =
    &[("eight_threads_share_a_device", eight_threads), ("a_failing_thread_fails_alone", failing_thread)];

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Gpu>();
};

/// Training, evaluation and generation of a model with seed `seed`.
fn whole_life(gpu: &Gpu, seed: u64) -> (Vec<u8>, u64, Vec<u8>) {
    let mut trainer = trainer(gpu, &small(), &TrainConfig { seed, ..settings() });
    let trained = run_to(&mut trainer, 12);
    let evaluated = block_on(trainer.evaluate(&text(), Some(10))).unwrap();
    let mut generator = block_on(Generator::new(gpu, &trainer.model, 1)).unwrap();
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
                let outcome = block_on(gpu.compile(&BROKEN, &Specialization::new(Placement::Buffer)));
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
