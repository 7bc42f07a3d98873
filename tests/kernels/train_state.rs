//! `nn/train_state`: a step's end against its reference, over finite and other norms.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::train_state::{CloseStep, Record, Schedule, TrainState, close_step, metrics_bytes};
use aft_wgpu::reference::nn::train_state as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::training::Floats;
use crate::trial;

const EPS: f64 = f32::EPSILON as f64;
const BETAS: (f32, f32) = (0.9, 0.999);
const SCHEDULE: Schedule = Schedule { peak: 3e-3, floor: 1e-4, warmup: 10, steps: 60 };
const RING: u32 = 7;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "train_state::follows_its_reference", |gpu| {
            // Every fifth norm is not finite, and three in a row; the others are on both sides of the bound.
            let norm = |step: u32| match step {
                20..23 => f32::NAN,
                step if step % 5 == 4 => [f32::INFINITY, f32::NEG_INFINITY, f32::NAN][step as usize % 3],
                step => 0.1 * (1 + step % 17) as f32,
            };
            follow(gpu, 1.0, &(0..80).map(norm).collect::<Vec<_>>());
            follow(gpu, f32::INFINITY, &[1e15; 12]);
        }),
        trial(gpu, "train_state::corrections_stay_exact", |gpu| {
            follow(gpu, 1.0, &[0.5; 3000]);
        }),
        trial(gpu, "train_state::sums_of_any_length", |gpu| {
            for (partials, rows) in [(1, 1), (63, 64), (65, 1000), (4096, 70_000)] {
                sums(gpu, partials, rows);
            }
        }),
        trial(gpu, "train_state::more_losses_than_threads_may_add_are_refused", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let (partials, losses) = (Floats::new(gpu, &[0.0]), Floats::new(gpu, &vec![0.0; 64 * 31_993 + 1]));
            let state = gpu.upload("state", &[TrainState::new(1)]).unwrap();
            let metrics = gpu.storage("metrics", metrics_bytes(1)).unwrap();
            let mut close = |rows: u32| close_step(b, &args((&partials, 1), (&losses, rows), 1.0, &state, &metrics));
            assert!(close(64 * 31_993).is_ok());
            assert!(close(64 * 31_993 + 1).unwrap_err().to_string().contains("needs 32001"));
        }),
        trial(gpu, "train_state::words_agree", words_agree),
    ]
}

/// Closes a step for each norm, one submission each, and compares all that is left behind.
fn follow(gpu: &Gpu, max_norm: f32, norms: &[f32]) {
    let schedule = reference::Schedule {
        peak: SCHEDULE.peak.into(),
        floor: SCHEDULE.floor.into(),
        warmup: SCHEDULE.warmup,
        steps: SCHEDULE.steps,
    };
    let betas = (f64::from(BETAS.0), f64::from(BETAS.1));
    let b = &mut Builder::new(gpu, Placement::Buffer);
    let (partials, losses) = (Floats::new(gpu, &[0.0; 2]), Floats::new(gpu, &[0.0; 3]));
    let state = gpu.upload("state", &[TrainState { slot: u32::MAX - 5, ..TrainState::new(77) }]).unwrap();
    let metrics = gpu.storage("metrics", metrics_bytes(RING)).unwrap();
    close_step(b, &args((&partials, 2), (&losses, 3), max_norm, &state, &metrics)).unwrap();
    let program = b.take_program();
    let mut expected = reference::State::default();
    for (step, &norm) in norms.iter().enumerate() {
        // Two partial sums of a norm; three losses whose mean is the step.
        gpu.write(&partials.buffer, 0, bytemuck::cast_slice(&[norm * norm, 0.0])).unwrap();
        gpu.write(&losses.buffer, 0, bytemuck::cast_slice(&[step as f32, 0.0, 2.0 * step as f32])).unwrap();
        b.program = program.clone();
        run(b);
        expected =
            expected.close(&schedule, max_norm.into(), betas, if norm.is_finite() { norm.into() } else { f64::NAN });
        // Reading back each of thousands of steps would take minutes.
        if step % 400 < 80 || step + 1 == norms.len() {
            let got = pollster::block_on(gpu.read::<TrainState>(&state, 0, size_of::<TrainState>() as u64)).unwrap()[0];
            let ring: Vec<Record> = pollster::block_on(gpu.read(&metrics, 0, metrics_bytes(RING))).unwrap();
            compare(step as u32, &got, &expected);
            compare_record(&ring[step % RING as usize], &got, step as u32, norm);
        }
    }
}

fn args<'a>(
    partials: (&'a Floats, u32),
    losses: (&'a Floats, u32),
    max_norm: f32,
    state: &'a aft_wgpu::gpu::Buffer,
    metrics: &'a aft_wgpu::gpu::Buffer,
) -> CloseStep<'a> {
    CloseStep {
        partials: (&partials.0.buffer, partials.1),
        losses: (&losses.0.buffer, losses.1),
        loss_scale: 1.0 / losses.1 as f32,
        micro_batches: 3,
        max_norm,
        schedule: SCHEDULE,
        betas: BETAS,
        state,
        metrics,
    }
}

fn compare(step: u32, got: &TrainState, expected: &reference::State) {
    let counts = (got.step, got.skipped, got.skipped_in_a_row, got.updates);
    assert_eq!(counts, (expected.step, expected.skipped, expected.skipped_in_a_row, expected.updates), "step {step}");
    assert_eq!((got.slot, got.seed), ((u32::MAX - 5).wrapping_add(3 * (step + 1)), 77), "step {step}");
    assert_eq!(got.finite == 1, expected.skipped_in_a_row == 0, "step {step}");
    let close = |what: &str, got: f32, expected: f64, tolerance: f64| {
        assert_close(&format!("{what} of step {step}"), &[got], &[expected], tolerance);
    };
    // WGSL allows cos an error of 2^-11.
    close("lr", got.lr, expected.lr, f64::from(SCHEDULE.peak) * 2.0_f64.powi(-11));
    // A square, a sum, a root and a quotient.
    close("clip", got.clip, expected.clip, 4.0 * EPS * expected.clip);
    // Errors of the recurrence shrink by beta each step: at most 1 / (1 - beta) roundings.
    let correction = |beta: f32, value: f64| EPS * value / f64::from(1.0 - beta);
    close("correction1", got.correction1, expected.correction1, correction(BETAS.0, expected.correction1));
    close("correction2", got.correction2, expected.correction2, correction(BETAS.1, expected.correction2));
}

fn compare_record(record: &Record, state: &TrainState, step: u32, norm: f32) {
    let Record { lr, clip, skipped_in_a_row, updates, .. } = *record;
    assert_eq!((record.step, record.skipped), (step, 1 - state.finite));
    assert_eq!((lr, clip, skipped_in_a_row, updates), (state.lr, state.clip, state.skipped_in_a_row, state.updates));
    assert!((record.loss - step as f32).abs() <= 2.0 * f32::EPSILON * step as f32, "loss of step {step}");
    assert_eq!(record.norm.is_finite(), norm.is_finite(), "norm of step {step}");
    if norm.is_finite() {
        assert!((record.norm / norm - 1.0).abs() <= 2.0 * f32::EPSILON, "norm of step {step}");
    }
}

fn sums(gpu: &Gpu, partial_count: usize, rows: usize) {
    let square = |values: Vec<f32>| values.iter().map(|v| v * v).collect::<Vec<f32>>();
    let (partials, losses) = (square(normal(1, partial_count)), square(normal(2, rows)));
    let (norm, loss) = (f64s(&partials).iter().sum::<f64>().sqrt(), f64s(&losses).iter().sum::<f64>() / rows as f64);
    let b = &mut Builder::new(gpu, Placement::Buffer);
    // The canaries behind both would show in the sums.
    let (partials, losses) = (Floats::new(gpu, &partials), Floats::new(gpu, &losses));
    let state = gpu.upload("state", &[TrainState::new(1)]).unwrap();
    let metrics = gpu.storage("metrics", metrics_bytes(1)).unwrap();
    let closing = args((&partials, partial_count as u32), (&losses, rows as u32), 1.0, &state, &metrics);
    close_step(b, &closing).unwrap();
    run(b);
    let record = pollster::block_on(gpu.read::<Record>(&metrics, 0, metrics_bytes(1))).unwrap()[0];
    // A lane adds 1 / 64 of all, positive, one by one.
    let unit = EPS * (8.0 + (partial_count.max(rows) / 64) as f64 / 2.0);
    assert_close("norm", &[record.norm], &[norm], norm * unit);
    assert_close("loss", &[record.loss], &[loss], loss * unit);
}

/// The host's struct and the shader's word numbers name the same words.
fn words_agree(_: &Gpu) {
    let text = include_str!("../../shaders/lib/train_state.wgsl");
    let words: Vec<(String, usize)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("const STATE_")?.split_once(": u32 = "))
        .map(|(name, rest)| (name.to_lowercase(), rest.split_once('u').unwrap().0.parse().unwrap()))
        .collect();
    macro_rules! offsets {
        ($($field:ident)*) => { vec![$((stringify!($field).to_owned(), std::mem::offset_of!(TrainState, $field) / 4)),*] };
    }
    let fields = offsets!(step slot seed skipped skipped_in_a_row updates finite lr clip correction1 correction2);
    assert_eq!(words, fields);
}
