//! Runs that go on from a checkpoint: bit for bit as if they had not been interrupted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;
mod small;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aft_wgpu::data::{DataError, MemoryText, Text};
use aft_wgpu::form::Form;
use aft_wgpu::gpu::{Gpu, Placement, Tuning};
use aft_wgpu::models::language::{Language, LanguageConfig};
use aft_wgpu::nn::Mixer;
use aft_wgpu::train::{Checkpoint, TrainConfig, Trainer};
use aft_wgpu::{Error, Result};
use harness::trial;
use pollster::block_on;
use small::{settings, small, text, trainer, trainer_on};

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![
            trial(&gpu, "a_resumed_run_equals_an_uninterrupted_one", resumed_equals_uninterrupted),
            trial(&gpu, "a_run_goes_on_with_the_tuning_that_it_began_with", tuning_of_the_run),
            trial(&gpu, "skipped_steps_are_part_of_a_checkpoint", skipped_steps),
            trial(&gpu, "a_checkpoint_is_its_bytes", bytes),
            trial(&gpu, "taking_a_checkpoint_changes_nothing", changes_nothing),
            trial(&gpu, "a_checkpoint_is_a_model_too", model_too),
            trial(&gpu, "a_run_goes_on_past_its_last_step", past_the_end),
            trial(&gpu, "the_rate_is_held_then_falls_and_rises_where_a_run_is_made_longer", rates),
            trial(&gpu, "a_number_of_steps_fixed_on_the_way_is_as_if_known_before", fixed_on_the_way),
            trial(&gpu, "a_run_made_longer_resumes_bit_for_bit", longer),
            trial(&gpu, "a_run_begins_with_the_weights_of_a_file", from_weights),
            trial(&gpu, "steps_that_did_not_run_are_in_no_checkpoint", recorded),
            trial(&gpu, "after_a_step_that_failed_midway_there_is_no_next", torn),
            trial(&gpu, "a_checkpoint_of_another_model_writes_no_file", edited),
            trial(&gpu, "a_text_is_marked_before_the_first_step", marked),
            trial(&gpu, "another_text_is_refused", another_text),
            trial(&gpu, "a_model_that_is_not_finite_makes_no_checkpoint", not_finite),
            trial(&gpu, "a_new_device_goes_on_where_one_was_lost", new_device),
        ]
    });
}

fn resume(gpu: &Gpu, checkpoint: &Checkpoint) -> Result<Trainer> {
    block_on(Trainer::resume(gpu, checkpoint, text()))
}

/// What a run leaves after `steps` in all, with a break through bytes at each of `breaks`.
fn run(gpu: &Gpu, model: &LanguageConfig, config: &TrainConfig, steps: u32, breaks: &[u32]) -> Vec<u8> {
    let mut trainer = trainer(gpu, model, config);
    for &at in breaks {
        block_on(trainer.advance(at - trainer.step())).unwrap();
        let bytes = block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap();
        let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(checkpoint.step(), at);
        trainer = resume(gpu, &checkpoint).unwrap();
    }
    block_on(trainer.advance(steps - trainer.step())).unwrap();
    block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap()
}

/// Through the warm-up, at a step that is no multiple of the ring of batches, at 0 and twice in a row.
fn resumed_equals_uninterrupted(gpu: &Gpu) {
    let models = [
        small(),
        LanguageConfig { variant: Mixer::Aft(Form::Simple), dropout: 0.2, ..small() },
        LanguageConfig { projection: false, dim: 20, ..small() },
        LanguageConfig { variant: Mixer::Aft(Form::Full), ..small() },
        LanguageConfig { variant: Mixer::Aft(Form::Conv1d), heads: 4, ..small() },
        LanguageConfig { variant: Mixer::Attention, heads: 2, ..small() },
    ];
    let accumulated = TrainConfig { accumulate: 2, batch: 2, seed: 1 << 40 | 7, ..settings() };
    let configs = [settings(), accumulated.clone(), settings(), settings(), accumulated.clone(), accumulated];
    for (model, config) in models.iter().zip(&configs) {
        let whole = run(gpu, model, config, 23, &[]);
        for breaks in [&[0][..], &[3, 11], &[9, 9, 10]] {
            assert!(run(gpu, model, config, 23, breaks) == whole, "{model:?} {config:?} {breaks:?}");
        }
    }
    let gpus = gpu.with_tuning(Tuning::GPU);
    assert!(run(&gpus, &small(), &settings(), 9, &[4]) == run(&gpus, &small(), &settings(), 9, &[]));
}

/// A run that began on one kind of adapter and goes on where another tuning would be chosen; and one whose tuning is not known.
fn tuning_of_the_run(gpu: &Gpu) {
    for [begun, other] in [[Tuning::CPU, Tuning::GPU], [Tuning::GPU, Tuning::CPU]] {
        let [gpu, other] = [gpu.with_tuning(begun), gpu.with_tuning(other)];
        let mut whole = trainer(&gpu, &small(), &settings());
        block_on(whole.advance(3)).unwrap();
        let mut checkpoint = block_on(whole.checkpoint()).unwrap();
        let mut resumed = resume(&other, &checkpoint).unwrap();
        assert_eq!(resumed.plan(), checkpoint.plan);
        let end = |trainer: &mut Trainer| {
            block_on(trainer.advance(3)).unwrap();
            block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap()
        };
        assert!(end(&mut resumed) == end(&mut whole), "{:?}", begun.target);

        // Every device has room for planes in buffers.
        checkpoint.plan.planes = Placement::Buffer;
        assert_eq!(resume(&gpu, &checkpoint).unwrap().plan().planes, Placement::Buffer);
        checkpoint.plan.tuning.norm_rows = 77;
        let error = resume(&gpu, &checkpoint).err().unwrap().to_string();
        let name = format!("a tuning for {}", begun.target.name());
        assert!(error.contains(&name) && error.contains("--init"), "{error}");
    }
}

/// A weight so large that every loss is infinite: two steps are skipped before the break, and the third after it ends the run.
fn skipped_steps(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(2)).unwrap();
    let parameters = &trainer.model.parameters;
    let id = parameters.find("blocks.1.mlp.down.weight").unwrap();
    parameters.write(gpu, id, &[3e38; 64 * 16]).unwrap();
    parameters.refresh(gpu);
    block_on(trainer.advance(2)).unwrap();
    let checkpoint = block_on(trainer.checkpoint()).unwrap();
    assert_eq!((checkpoint.step(), checkpoint.skipped()), (4, 2));
    let mut resumed = resume(gpu, &checkpoint).unwrap();
    let error = block_on(resumed.advance(1)).unwrap_err();
    assert!(matches!(error, Error::NonFinite { step: 2, .. }), "{error}");
}

fn bytes(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(5)).unwrap();
    let checkpoint = block_on(trainer.checkpoint()).unwrap();
    assert_eq!((checkpoint.step(), checkpoint.skipped()), (5, 0));
    let bytes = checkpoint.to_bytes().unwrap();
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    assert!(read == checkpoint && read.to_bytes().unwrap() == bytes);
    // The metadata is one entry whose keys are sorted at every level.
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let entries = metadata.metadata().clone().unwrap();
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["aft"]);
    let json = &entries["aft"];
    assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap().to_string(), *json);
}

fn changes_nothing(gpu: &Gpu) {
    let losses = |checkpoints: bool| {
        let mut trainer = trainer(gpu, &small(), &settings());
        let mut losses = Vec::new();
        for _ in 0..6 {
            losses.extend(block_on(trainer.advance(1)).unwrap().iter().map(|r| r.loss.to_bits()));
            if checkpoints {
                block_on(trainer.checkpoint()).unwrap();
            }
        }
        losses
    };
    assert_eq!(losses(true), losses(false));
}

fn model_too(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(3)).unwrap();
    let bytes = block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap();
    assert_eq!(Language::read_config(&bytes).unwrap(), small());
    let model = block_on(Language::load(gpu, &bytes, 24)).unwrap();
    assert!(block_on(model.save(gpu)).unwrap() == block_on(trainer.save()).unwrap());
    let error = Checkpoint::from_bytes(&block_on(trainer.save()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("not a checkpoint"), "{error}");
}

fn past_the_end(gpu: &Gpu) {
    let config = TrainConfig { steps: 4, ..settings() };
    assert!(run(gpu, &small(), &config, 7, &[4, 6]) == run(gpu, &small(), &config, 7, &[]));
}

/// A hold of 8 steps in a run of 16, made longer to 32 steps at its end.
fn held_and_longer() -> TrainConfig {
    let mut config = TrainConfig { steps: 16, hold: 8, ..settings() };
    config.extend(16, 32);
    config
}

fn rates(gpu: &Gpu) {
    let config = held_and_longer();
    let records = block_on(trainer(gpu, &small(), &config).advance(34)).unwrap();
    let cosine = |step: u32, steps: u32| {
        let past = f64::from(step - 8) / f64::from(steps - 8);
        0.5 + 0.5 * (std::f64::consts::PI * past.min(1.0)).cos()
    };
    for (step, record) in (0..).zip(&records) {
        let share = match step {
            ..4 => f64::from(step + 1) / 4.0,
            4..8 => 1.0,
            8..16 => cosine(step, 16),
            _ => cosine(step, 32),
        };
        // WGSL's cos may be off by 2^-11.
        let rate = f64::from(record.lr / config.lr);
        assert!((rate - share).abs() < 6e-4, "step {step}: {rate}, not {share}");
    }
}

fn fixed_on_the_way(gpu: &Gpu) {
    let known = TrainConfig { steps: 16, hold: 6, ..settings() };
    let open = TrainConfig { steps: u32::MAX, hold: u32::MAX, ..settings() };
    let mut trainer = trainer(gpu, &small(), &open);
    block_on(trainer.advance(6)).unwrap();
    block_on(trainer.reschedule(known.clone())).unwrap();
    block_on(trainer.advance(10)).unwrap();
    let bytes = block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap();
    assert!(bytes == run(gpu, &small(), &known, 16, &[]));
    assert!(bytes == run(gpu, &small(), &known, 16, &[3, 6, 11]));
    // What was done cannot be done otherwise.
    for other in [TrainConfig { hold: 15, ..known.clone() }, TrainConfig { lr: 1e-4, ..known }] {
        let error = block_on(trainer.reschedule(other)).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
    }
}

fn longer(gpu: &Gpu) {
    let config = held_and_longer();
    let whole = run(gpu, &small(), &config, 24, &[]);
    for breaks in [&[5, 16][..], &[8, 20], &[15, 17]] {
        assert!(run(gpu, &small(), &config, 24, breaks) == whole, "{breaks:?}");
    }
    let mut first = trainer(gpu, &small(), &TrainConfig { steps: 16, hold: 8, ..settings() });
    block_on(first.advance(16)).unwrap();
    let mut checkpoint = block_on(first.checkpoint()).unwrap();
    checkpoint.train.extend(16, 32);
    let mut resumed = resume(gpu, &checkpoint).unwrap();
    block_on(resumed.advance(8)).unwrap();
    assert!(block_on(resumed.checkpoint()).unwrap().to_bytes().unwrap() == whole);
}

fn from_weights(gpu: &Gpu) {
    let mut before = trainer(gpu, &small(), &settings());
    block_on(before.advance(30)).unwrap();
    let [model, checkpoint] =
        [block_on(before.save()).unwrap(), block_on(before.checkpoint()).unwrap().to_bytes().unwrap()];
    let other: Arc<dyn Text> = Arc::new(MemoryText::new("the lazy dog sleeps under the quick brown fox.\n".repeat(60)));
    let begin = |bytes: &[u8], model: &LanguageConfig| {
        block_on(Trainer::from_weights(gpu, bytes, model, &TrainConfig { seed: 9, ..settings() }, Arc::clone(&other)))
    };
    let mut results = Vec::new();
    for bytes in [&model, &checkpoint] {
        let mut trainer = begin(bytes, &small()).unwrap();
        assert_eq!(trainer.step(), 0);
        assert!(block_on(trainer.save()).unwrap() == model, "other weights");
        let records = block_on(trainer.advance(5)).unwrap();
        // A guess costs 5.5 nats.
        assert!(records[0].loss < 4.5 && records[0].updates == 1, "{:?}", records[0]);
        results.push(block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap());
    }
    assert!(results[0] == results[1], "moments or steps of the first run live on");
    assert!(begin(&model, &LanguageConfig { dropout: 0.5, ..small() }).is_ok());
    let error = begin(&model, &LanguageConfig { dim: 20, ..small() }).err().unwrap();
    assert!(matches!(error, Error::Format { .. }), "{error}");
}

fn recorded(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    trainer.record(2, &mut encoder).unwrap();
    let error = block_on(trainer.checkpoint()).unwrap_err();
    assert!(matches!(error, Error::Unfinished { begun: 2 }), "{error}");
    gpu.queue().submit([encoder.finish()]);
    assert!(block_on(trainer.checkpoint()).unwrap().to_bytes().unwrap() == run(gpu, &small(), &settings(), 2, &[]));
}

/// A text with bytes that cannot be read once `broken`, and others once `changed`.
struct Faulty {
    text: Arc<dyn Text>,
    broken: AtomicBool,
    changed: AtomicBool,
}

impl Faulty {
    fn new() -> Arc<Self> {
        Arc::new(Self { text: text(), broken: AtomicBool::new(false), changed: AtomicBool::new(false) })
    }
}

impl Text for Faulty {
    fn len(&self) -> u64 {
        self.text.len()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError> {
        // As past the end.
        let broken = if self.broken.load(Ordering::Relaxed) { self.len() } else { 0 };
        self.text.read_at(offset + broken, into)?;
        if self.changed.load(Ordering::Relaxed) {
            into.fill(b'x');
        }
        Ok(())
    }
}

fn torn(gpu: &Gpu) {
    let text = Faulty::new();
    let mut trainer = trainer_on(gpu, &small(), &settings(), text.clone());
    block_on(trainer.advance(3)).unwrap();
    text.broken.store(true, Ordering::Relaxed);
    let error = block_on(trainer.advance(2)).unwrap_err();
    assert!(matches!(error, Error::Data(_)), "{error}");
    text.broken.store(false, Ordering::Relaxed);
    let unfinished = |error: Error| assert!(matches!(error, Error::Unfinished { begun: 3 }), "{error}");
    unfinished(block_on(trainer.advance(1)).unwrap_err());
    unfinished(block_on(trainer.checkpoint()).unwrap_err());
    unfinished(trainer.record(1, &mut gpu.device().create_command_encoder(&Default::default())).unwrap_err());
}

fn edited(gpu: &Gpu) {
    let mut checkpoint = block_on(trainer(gpu, &small(), &settings()).checkpoint()).unwrap();
    for model in [LanguageConfig { layers: 1, ..small() }, LanguageConfig { dim: 20, ..small() }] {
        checkpoint.model = model;
        let error = checkpoint.to_bytes().unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
}

fn marked(gpu: &Gpu) {
    let changing = Faulty::new();
    let mut trainer = trainer_on(gpu, &small(), &settings(), changing.clone());
    changing.changed.store(true, Ordering::Relaxed);
    block_on(trainer.advance(1)).unwrap();
    let checkpoint = block_on(trainer.checkpoint()).unwrap();
    checkpoint.expect_text(text().as_ref()).unwrap();
    assert!(checkpoint.expect_text(changing.as_ref()).is_err());
}

fn another_text(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(1)).unwrap();
    let checkpoint = block_on(trainer.checkpoint()).unwrap();
    let other = Arc::new(MemoryText::new("the quick brown fox jumps over the lazy cat.\n".repeat(60)));
    let error = block_on(Trainer::resume(gpu, &checkpoint, other)).err().unwrap();
    assert!(matches!(error, Error::Config(_)) && error.to_string().contains("another text"), "{error}");
}

fn not_finite(gpu: &Gpu) {
    let trainer = trainer(gpu, &small(), &settings());
    let id = trainer.model.parameters.find("norm.bias").unwrap();
    trainer.model.parameters.write(gpu, id, &[f32::NAN; 16]).unwrap();
    let error = block_on(trainer.checkpoint()).unwrap_err();
    assert!(matches!(&error, Error::Diverged { step: 0, tensor } if tensor == "norm.bias"), "{error}");
}

fn new_device(gpu: &Gpu) {
    let doomed = Gpu::request_blocking(&Default::default()).unwrap();
    let mut trainer = trainer_on(&doomed, &small(), &settings(), text());
    block_on(trainer.advance(4)).unwrap();
    let checkpoint = block_on(trainer.checkpoint()).unwrap();
    block_on(trainer.advance(3)).unwrap();
    doomed.device().destroy();
    assert!(matches!(block_on(trainer.advance(1)), Err(Error::DeviceLost { .. })));
    let mut resumed = resume(gpu, &checkpoint).unwrap();
    block_on(resumed.advance(8)).unwrap();
    let bytes = block_on(resumed.checkpoint()).unwrap().to_bytes().unwrap();
    assert!(bytes == run(gpu, &small(), &settings(), 12, &[]));
}
