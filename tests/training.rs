//! A model in training: what a step costs, that it is the gradient it says, that runs repeat bit for bit, and how they end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;
mod sealed;
mod small;

use std::ops::ControlFlow;
use std::sync::Arc;

use aft_wgpu::Error;
use aft_wgpu::data::{MemoryText, Text};
use aft_wgpu::form::Form;
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::{Gpu, Tuning};
use aft_wgpu::models::language::{Language, LanguageConfig};
use aft_wgpu::nn::Mixer;
use aft_wgpu::random::normal_pair;
use aft_wgpu::train::{TrainConfig, Trainer, bits};
use harness::trial;
use pollster::block_on;
use sealed::sealed;
use small::{settings, small, text, trainer, trainer_on};

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![
            trial(&gpu, "a_step_allocates_nothing", a_step_allocates_nothing),
            trial(&gpu, "the_demo_model_uses_at_most_20_pipelines", pipelines),
            trial(&gpu, "the_same_seed_gives_the_same_bits", same_seed_same_bits),
            trial(&gpu, "eight_steps_in_one_encoder_equal_eight_submissions", one_encoder),
            trial(&gpu, "the_gradient_predicts_the_loss", gradient_predicts_loss),
            trial(&gpu, "both_plans_agree", both_plans_agree),
            trial(&gpu, "micro_batches_make_the_gradient_of_the_batch", accumulation),
            trial(&gpu, "every_pipeline_in_use_is_in_the_catalogue", catalogue),
            trial(&gpu, "profiling_a_step_is_a_step", profiling),
            trial(&gpu, "every_setting_learns", every_setting_learns),
            trial(&gpu, "a_gradient_that_is_not_finite_ends_the_run", not_finite),
            trial(&gpu, "a_saved_model_is_the_model", save_and_load),
            trial(&gpu, "generation_repeats_what_was_learnt", generation),
            trial(&gpu, "sizes_beyond_a_limit_are_refused", limits),
            trial(&gpu, "a_text_shorter_than_a_window_is_refused", short_text),
        ]
    });
}

fn a_step_allocates_nothing(gpu: &Gpu) {
    // A device of its own: other tests allocate on the shared one.
    let gpu = &Gpu::request_blocking(&Default::default()).unwrap().with_tuning(*gpu.tuning());
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(2)).unwrap();
    let before = gpu.memory();
    block_on(trainer.advance(40)).unwrap();
    assert_eq!(gpu.memory(), before);
}

fn pipelines(_: &Gpu) {
    let gpu = &Gpu::request_blocking(&Default::default()).unwrap();
    let class = gpu.caps().adapter.class;
    let mut trainer = trainer(gpu, &LanguageConfig::for_adapter(class), &TrainConfig::for_adapter(class));
    block_on(trainer.advance(1)).unwrap();
    let made = gpu.memory().pipelines;
    assert!(made <= 20, "{made} pipelines");
}

fn same_seed_same_bits(gpu: &Gpu) {
    let run = |seed| {
        let model = LanguageConfig { dropout: 0.1, ..small() };
        let mut trainer = trainer(gpu, &model, &TrainConfig { seed, accumulate: 2, ..settings() });
        block_on(trainer.advance(12)).unwrap();
        block_on(trainer.save()).unwrap()
    };
    let first = run(7);
    assert!(first == run(7), "a second run differs");
    assert!(first != run(8), "the seed changes nothing");
}

fn one_encoder(gpu: &Gpu) {
    // Dropout and accumulation read step and slot from the device.
    let model = LanguageConfig { dropout: 0.1, ..small() };
    let config = TrainConfig { accumulate: 2, ..settings() };
    let mut apart = trainer(gpu, &model, &config);
    for _ in 0..8 {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        apart.record(1, &mut encoder).unwrap();
        gpu.queue().submit([encoder.finish()]);
    }
    let mut together = trainer(gpu, &model, &config);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    together.record(8, &mut encoder).unwrap();
    gpu.queue().submit([encoder.finish()]);
    assert!(together.record(9, &mut gpu.device().create_command_encoder(&Default::default())).is_err());
    assert!(block_on(apart.save()).unwrap() == block_on(together.save()).unwrap());
}

/// (loss(p + e d) - loss(p - e d)) / 2e = gradient . d, for d along the gradient and for random d.
fn gradient_predicts_loss(gpu: &Gpu) {
    // A text of one window: every batch is the same. A rate of nearly 0: no step moves a parameter.
    let window: Arc<dyn Text> = Arc::new(MemoryText::new("the quick brown fox jumps"));
    let frozen = TrainConfig { lr: 1e-30, weight_decay: 0.0, ..settings() };
    for (variant, projection) in [
        (Mixer::Aft(Form::Local), true),
        (Mixer::Aft(Form::Local), false),
        (Mixer::Aft(Form::Simple), true),
        (Mixer::Aft(Form::Full), true),
        (Mixer::Aft(Form::Conv1d), true),
        (Mixer::Attention, true),
        (Mixer::Attention, false),
    ] {
        let heads = match variant {
            Mixer::Aft(Form::Conv1d) => 4,
            Mixer::Attention => 2,
            _ => 1,
        };
        let model = LanguageConfig { variant, heads, projection, ..small() };
        let mut trainer = trainer_on(gpu, &model, &frozen, Arc::clone(&window));
        // At its start of 0, gamma hides the gradient of the raw kernel.
        if let Some(gamma) = trainer.model.parameters.find("blocks.0.aft.kernel.gamma") {
            trainer.model.parameters.write(gpu, gamma, &[0.5; 4]).unwrap();
            trainer.model.parameters.refresh(gpu);
        }
        block_on(trainer.advance(1)).unwrap();
        let start = block_on(trainer.model.parameters.read(gpu)).unwrap();
        let gradient = block_on(trainer.model.parameters.gradients(gpu)).unwrap();
        let norm = gradient.iter().flatten().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        for (seed, share) in [(0, 1.0), (1, 0.0), (2, 0.0), (3, 0.3)] {
            let direction: Vec<Vec<f64>> = gradient
                .iter()
                .enumerate()
                .map(|(i, g)| {
                    let noise = |j: usize| 0.02 * normal_pair([seed, i as u32, j as u32, 0])[0];
                    (0..g.len()).map(|j| share * f64::from(g[j]) / norm + (1.0 - share) * noise(j)).collect()
                })
                .collect();
            let mut loss = |e: f64| {
                for (i, values) in start.iter().enumerate() {
                    let parameters = &trainer.model.parameters;
                    let id = parameters.find(&parameters.specs()[i].name).unwrap();
                    let moved = values.iter().zip(&direction[i]).map(|(v, d)| (f64::from(*v) + e * d) as f32);
                    parameters.write(gpu, id, &moved.collect::<Vec<_>>()).unwrap();
                }
                trainer.model.parameters.refresh(gpu);
                f64::from(block_on(trainer.advance(1)).unwrap()[0].loss)
            };
            let e = 1e-2;
            let measured = (loss(e) - loss(-e)) / (2.0 * e);
            let products = gradient.iter().flatten().zip(direction.iter().flatten());
            let predicted: f64 = products.map(|(g, d)| f64::from(*g) * d).sum();
            // A loss of about 5 nats is good to 5e-7 in f32, which is 5e-5 over 2e; the rest is the third derivative.
            let allowed = 5e-3 * predicted.abs() + 1e-4;
            assert!((measured - predicted).abs() < allowed, "{variant}: {measured}, the gradient says {predicted}");
        }
    }
}

fn both_plans_agree(gpu: &Gpu) {
    let losses = |tuning| {
        let mut trainer = trainer(&gpu.with_tuning(tuning), &small(), &settings());
        let records = block_on(trainer.advance(10)).unwrap();
        records.iter().map(|r| r.loss).collect::<Vec<_>>()
    };
    let (cpu, gpu) = (losses(Tuning::CPU), losses(Tuning::GPU));
    for (a, b) in cpu.iter().zip(&gpu) {
        // Sums in another order, then ten steps of a nonlinear system: measured below 1e-6.
        assert!((a - b).abs() < 1e-4 * a.abs(), "{cpu:?} against {gpu:?}");
    }
}

fn every_setting_learns(gpu: &Gpu) {
    let settings = TrainConfig { steps: 48, ..settings() };
    for (name, model, config) in [
        ("simple", LanguageConfig { variant: Mixer::Aft(Form::Simple), ..small() }, settings.clone()),
        ("full", LanguageConfig { variant: Mixer::Aft(Form::Full), ..small() }, settings.clone()),
        ("conv", LanguageConfig { variant: Mixer::Aft(Form::Conv1d), heads: 8, ..small() }, settings.clone()),
        ("attention", LanguageConfig { variant: Mixer::Attention, heads: 2, ..small() }, settings.clone()),
        ("no projection", LanguageConfig { projection: false, ..small() }, settings.clone()),
        ("no projection, dropout", LanguageConfig { projection: false, dropout: 0.1, ..small() }, settings.clone()),
        ("dropout", LanguageConfig { dropout: 0.1, ..small() }, settings.clone()),
        ("accumulation", small(), TrainConfig { batch: 1, accumulate: 3, ..settings.clone() }),
        ("window beyond the length", LanguageConfig { window: 99, ..small() }, settings.clone()),
        ("odd sizes", LanguageConfig { dim: 20, length: 13, rank: 1, window: 1, ..small() }, settings.clone()),
    ] {
        let mut trainer = trainer(gpu, &model, &config);
        let records = block_on(trainer.advance(48)).unwrap();
        let (first, last) = (records[0].loss, records[47].loss);
        assert!((5.0..6.2).contains(&first), "{name}: the first loss is {first} nats, not that of a guess");
        assert!(last < 0.65 * first, "{name}: {first} -> {last}");
        let evaluated = block_on(trainer.evaluate(&text(), Some(20))).unwrap();
        assert!(
            (evaluated - bits(f64::from(last))).abs() < 1.0,
            "{name}: evaluated {evaluated}, trained {}",
            bits(last.into())
        );
    }
}

fn not_finite(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(2)).unwrap();
    let parameters = &trainer.model.parameters;
    let name = "blocks.1.mlp.down.weight";
    let id = parameters.find(name).unwrap();
    let weights = parameters.weights(id);
    let mut values = vec![0.1; (weights.rows * weights.cols) as usize];
    values[17] = f32::NAN;
    parameters.write(gpu, id, &values).unwrap();
    parameters.refresh(gpu);
    let bits = |all: Vec<Vec<f32>>| all.into_iter().flatten().map(f32::to_bits).collect::<Vec<_>>();
    let before = bits(block_on(trainer.model.parameters.read(gpu)).unwrap());
    let error = block_on(trainer.advance(10)).unwrap_err();
    let Error::NonFinite { step, tensor } = &error else { panic!("{error}") };
    assert_eq!(*step, 2);
    assert_eq!(tensor, name);
    assert!(error.to_string().contains("since step 2"), "{error}");
    let after = bits(block_on(trainer.model.parameters.read(gpu)).unwrap());
    assert!(before == after, "a skipped step changed a parameter");
}

fn save_and_load(gpu: &Gpu) {
    let mut trainer = trainer(gpu, &small(), &settings());
    block_on(trainer.advance(20)).unwrap();
    let bytes = block_on(trainer.save()).unwrap();
    assert!(bytes == block_on(trainer.save()).unwrap(), "the bytes depend on more than the model");
    let loaded = block_on(Language::load(gpu, &bytes, 24)).unwrap();
    assert_eq!(loaded.config, trainer.model.config);
    assert!(bytes == block_on(loaded.save(gpu)).unwrap(), "a loaded model saves other bytes");
    let refused = |bytes: &[u8], word: &str| {
        let error = block_on(Language::load(gpu, bytes, 24)).unwrap_err();
        assert!(matches!(error, Error::Format { .. }) && error.to_string().contains(word), "{error}");
    };
    refused(b"not a model", "safetensors");
    refused(&bytes[..bytes.len() - 1], "safetensors");
    let mut poisoned = bytes.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(&poisoned, "damaged");
    refused(&sealed(&poisoned), "not finite");
    let mut renamed = bytes.clone();
    let at = renamed.windows(9).position(|w| w == b"head.bias").unwrap();
    renamed[at] = b'x';
    refused(&sealed(&renamed), "xead.bias");
}

fn generation(gpu: &Gpu) {
    let model = LanguageConfig { dim: 32, ..small() };
    let mut trainer = trainer(gpu, &model, &TrainConfig { batch: 8, steps: 300, lr: 1e-2, ..settings() });
    block_on(trainer.advance(300)).unwrap();
    let mut generator = block_on(Generator::new(gpu, &trainer.model, 1)).unwrap();
    let mut generate = |prompt: &[u8], count, temperature, seed| {
        let mut out = Vec::new();
        let take = |tokens: &[u8]| {
            out.extend_from_slice(tokens);
            ControlFlow::Continue(())
        };
        generator.restart();
        block_on(generator.read(prompt)).unwrap();
        let sampling = Sampling { temperature, seed, ..Default::default() };
        block_on(generator.generate(count, &sampling, take)).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    };
    // 60 bytes: past the model's 24 positions, so that the window slides.
    let made = generate(b"the quick brown ", 60, 0.0, 0);
    assert!(made.starts_with("fox jumps over the lazy dog.\nthe quick brown fox jumps"), "{made:?}");
    assert_eq!(generate(b"the ", 30, 1.0, 5), generate(b"the ", 30, 1.0, 5));
    assert_ne!(generate(b"the ", 30, 3.0, 5), generate(b"the ", 30, 3.0, 6));
    assert_eq!(generate(b"", 0, 1.0, 0), "");
    let nonsense = Sampling { temperature: f32::NAN, ..Default::default() };
    assert!(block_on(generator.generate(1, &nonsense, |_| ControlFlow::Continue(()))).is_err());
}

fn limits(gpu: &Gpu) {
    // A device of its own: other tests allocate on the shared one.
    let gpu = &Gpu::request_blocking(&Default::default()).unwrap().with_tuning(*gpu.tuning());
    let before = gpu.memory();
    let refused = |model: LanguageConfig, config: TrainConfig, word: &str| {
        let error = block_on(Trainer::new(gpu, &model, &config, text())).err().unwrap();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(gpu.memory(), before, "something was allocated before: {error}");
    };
    refused(LanguageConfig { dim: 65_536, ..small() }, settings(), "this device grants");
    refused(
        LanguageConfig { length: 131_072, ..small() },
        TrainConfig { batch: 400, ..settings() },
        "this device grants",
    );
    refused(
        LanguageConfig { length: 131_072, window: 100_000, ..small() },
        TrainConfig { batch: 1, ..settings() },
        "needs",
    );
    refused(small(), TrainConfig { batch: 1 << 31, ..settings() }, "batch x length");
    refused(small(), TrainConfig { batch: 2000, accumulate: 1024, ..settings() }, "this device grants");
    refused(LanguageConfig { dim: 18, ..small() }, settings(), "multiple of 4");
    refused(LanguageConfig { heads: 2, ..small() }, settings(), "1 head");
    refused(LanguageConfig { window: 0, ..small() }, settings(), "window");
    refused(LanguageConfig { layers: 0, ..small() }, settings(), "layers");
    refused(small(), TrainConfig { lr: f32::NAN, ..settings() }, "lr");
}

fn short_text(gpu: &Gpu) {
    let short: Arc<dyn Text> = Arc::new(MemoryText::new("too short"));
    let error = block_on(Trainer::new(gpu, &small(), &settings(), short)).err().unwrap();
    assert!(matches!(error, Error::Data(_)), "{error}");
}

/// A text of one window: a batch of three and three micro-batches of one are the same rows.
fn accumulation(gpu: &Gpu) {
    let window: Arc<dyn Text> = Arc::new(MemoryText::new("the quick brown fox jumps"));
    let gradients = |batch, accumulate| {
        let config = TrainConfig { batch, accumulate, ..settings() };
        let mut trainer = trainer_on(gpu, &small(), &config, Arc::clone(&window));
        let loss = block_on(trainer.advance(1)).unwrap()[0].loss;
        (loss, block_on(trainer.model.parameters.gradients(gpu)).unwrap())
    };
    let (whole, parts) = (gradients(3, 1), gradients(1, 3));
    assert!((whole.0 - parts.0).abs() < 1e-6 * whole.0, "{} against {}", whole.0, parts.0);
    for (a, b) in whole.1.iter().zip(&parts.1) {
        let largest = a.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0);
        // Sums of three equal terms in another order.
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2e-6 * largest + 1e-9), "{a:?} against {b:?}");
    }
}

fn catalogue(_: &Gpu) {
    let listed: Vec<String> = aft_wgpu::catalogue::all().iter().map(|(kernel, variant)| kernel.wgsl(variant)).collect();
    let gpu = Gpu::request_blocking(&Default::default()).unwrap();
    for tuning in Tuning::ALL {
        for (variant, length, heads) in [
            (Mixer::Aft(Form::Local), 24, 1),
            (Mixer::Aft(Form::Local), 300, 1),
            (Mixer::Aft(Form::Simple), 300, 1),
            (Mixer::Aft(Form::Full), 300, 1),
            (Mixer::Aft(Form::Conv1d), 24, 4),
            (Mixer::Aft(Form::Conv1d), 24, 8),
            (Mixer::Attention, 24, 2),
            (Mixer::Attention, 300, 1),
        ] {
            let model = LanguageConfig { variant, length, heads, dropout: 0.1, projection: false, ..small() };
            let mut trainer = trainer(&gpu.with_tuning(tuning), &model, &TrainConfig { accumulate: 2, ..settings() });
            block_on(trainer.advance(1)).unwrap();
        }
    }
    let used = gpu.sources();
    assert!(used.len() > 40, "{} pipelines", used.len());
    for source in used {
        assert!(listed.contains(&source), "not in the catalogue:\n{source}");
    }
}

fn profiling(gpu: &Gpu) {
    let losses = |profiled: bool| {
        let mut trainer = trainer(gpu, &small(), &settings());
        block_on(trainer.advance(3)).unwrap();
        if profiled {
            let (_, times) = block_on(trainer.profile()).unwrap();
            assert!(times.iter().all(|t| t.count > 0 && t.seconds >= 0.0) && times.len() > 10, "{times:?}");
        } else {
            block_on(trainer.advance(1)).unwrap();
        }
        block_on(trainer.advance(4)).unwrap().iter().map(|r| (r.step, r.loss.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(losses(true), losses(false));
}
