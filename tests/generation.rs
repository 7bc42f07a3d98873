//! Generation by streaming state: it is the model, repeats bit for bit, costs the same at any position, and ends well.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;
mod sealed;
mod small;

use std::ops::ControlFlow;
use std::time::Instant;

use aft_wgpu::Error;
use aft_wgpu::form::Form;
use aft_wgpu::generate::{Generator, Sampling, StreamState};
use aft_wgpu::gpu::{Gpu, Recorder, Tuning};
use aft_wgpu::models::language::{Language, LanguageConfig};
use aft_wgpu::models::stream::StreamPass;
use aft_wgpu::nn::{Mixer, Pass};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::batch::{Batch, BatchLayout};
use aft_wgpu::ops::nn::cursor::Cursor;
use aft_wgpu::ops::nn::sample::{Sample, sample};
use aft_wgpu::ops::nn::train_state::TrainState;
use aft_wgpu::random::below;
use harness::trial;
use pollster::block_on;
use sealed::sealed;
use small::small;

fn main() {
    harness::run(&Default::default(), |gpu| {
        vec![
            trial(&gpu, "any_chunks_give_the_logits_of_the_whole", logits),
            trial(&gpu, "eight_steps_in_one_encoder_equal_eight_submissions", one_encoder),
            trial(&gpu, "text_depends_on_the_text_before_and_the_settings_alone", repeats),
            trial(&gpu, "the_likeliest_of_one_is_temperature_0", top_k_1),
            trial(&gpu, "samples_are_what_single_runs_give", samples),
            trial(&gpu, "full_positions_read_the_last_half_again", sliding),
            trial(&gpu, "a_state_continues_with_the_same_bits", save_and_fork),
            trial(&gpu, "a_broken_state_is_refused", broken_states),
            trial(&gpu, "what_makes_no_sense_is_refused", nonsense),
            trial(&gpu, "a_token_allocates_nothing", a_token_allocates_nothing),
            trial(&gpu, "a_device_lost_in_the_middle_is_an_error", lost),
            trial(&gpu, "every_pipeline_in_use_is_in_the_catalogue", catalogue),
            trial(&gpu, "time_per_token_at_100_and_16000", time_per_token),
        ]
    });
}

fn model(gpu: &Gpu, config: &LanguageConfig) -> Language {
    Language::new(gpu, config, config.length, false, Some(7)).unwrap()
}

/// A model far from a uniform guess: its head starts ten times as large.
fn decided(gpu: &Gpu, config: &LanguageConfig) -> Language {
    let model = model(gpu, config);
    let id = model.parameters.find("head.weight").unwrap();
    let specs = model.parameters.specs();
    let at = specs.iter().position(|spec| spec.name == "head.weight").unwrap();
    let values: Vec<f32> = block_on(model.parameters.read(gpu)).unwrap()[at].iter().map(|w| 50.0 * w).collect();
    model.parameters.write(gpu, id, &values).unwrap();
    model.parameters.refresh(gpu);
    model
}

fn text(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| below([i, 5, 6, 7], 256) as u8).collect()
}

fn made(generator: &mut Generator, count: usize, sampling: &Sampling) -> Vec<u8> {
    let mut out = Vec::new();
    let take = |tokens: &[u8]| {
        out.extend_from_slice(tokens);
        ControlFlow::Continue(())
    };
    block_on(generator.generate(count, sampling, take)).unwrap();
    out
}

fn generator(gpu: &Gpu, model: &Language, samples: u32) -> Generator {
    block_on(Generator::new(gpu, model, samples)).unwrap()
}

/// Logits [len, 256] of `text`, at most T bytes, by the forward pass of training.
fn parallel(gpu: &Gpu, model: &Language, text: &[u8]) -> Vec<f32> {
    let rows = model.config.length;
    let layout = BatchLayout { rows, vocabulary: 256 };
    // What follows the text changes none of its rows.
    let mut tokens: Vec<u32> = text.iter().copied().map(u32::from).collect();
    tokens.resize(rows as usize, 0);
    let data = gpu.upload("batch", &layout.pack(&tokens, &tokens).unwrap()).unwrap();
    let state = gpu.upload("state", &[TrainState::default()]).unwrap();
    let b = &mut Builder::new(gpu, model.placement);
    let parameters = &model.parameters;
    let mut pass = Pass { b, parameters, batch: 1, length: rows, keep: false, accumulate: false, dropout: None };
    let batch = Batch { layout, data: &data, slots: 1, state: &state, micro: 0 };
    let logits = model.logits(&mut pass, batch).unwrap();
    run(gpu, b);
    block_on(logits.read(gpu)).unwrap()[..256 * text.len()].to_vec()
}

fn run(gpu: &Gpu, b: &mut Builder) {
    let program = b.take_program();
    let mut recorder = Recorder::new(gpu);
    block_on(recorder.run(&program)).unwrap();
    block_on(recorder.submit()).unwrap();
}

/// The same, read as a stream in chunks of at most `chunk`.
fn streamed(gpu: &Gpu, model: &Language, text: &[u8], chunk: u32) -> Vec<f32> {
    let b = &mut Builder::new(gpu, model.placement);
    let stream = model.open(b, 1, 0).unwrap();
    run(gpu, b);
    let tokens: Vec<u32> = text.iter().copied().map(u32::from).collect();
    gpu.write(&stream.tokens.buffer, 0, bytemuck::cast_slice(&tokens)).unwrap();
    gpu.write(&stream.cursor, 0, bytemuck::bytes_of(&Cursor { end: text.len() as u32, ..Default::default() })).unwrap();
    let x = model.stream(b, &stream, &StreamPass { chunk, leave: 0, made: 0 }).unwrap();
    let logits = model.stream_logits(b, &stream, x).unwrap();
    let program = b.take_program();
    let mut all = Vec::new();
    for first in (0..text.len()).step_by(chunk as usize) {
        let mut recorder = Recorder::new(gpu);
        block_on(recorder.run(&program)).unwrap();
        block_on(recorder.submit()).unwrap();
        let rows = (text.len() - first).min(chunk as usize);
        all.extend_from_slice(&block_on(logits.read(gpu)).unwrap()[..256 * rows]);
    }
    all
}

fn logits(gpu: &Gpu) {
    for tuning in Tuning::ALL {
        let gpu = &gpu.with_tuning(tuning);
        for (variant, window, projection) in [
            (Mixer::Aft(Form::Local), 5, true),
            (Mixer::Aft(Form::Local), 1, false),
            (Mixer::Aft(Form::Local), 90, true),
            (Mixer::Aft(Form::Simple), 0, true),
            (Mixer::Aft(Form::Full), 0, true),
            (Mixer::Aft(Form::Conv1d), 6, true),
            (Mixer::Attention, 0, true),
            (Mixer::Attention, 0, false),
        ] {
            let heads = match variant {
                Mixer::Aft(Form::Conv1d) => 8,
                Mixer::Attention => 2,
                _ => 1,
            };
            let model = decided(gpu, &LanguageConfig { variant, heads, window, projection, length: 70, ..small() });
            let text = text(70);
            let whole = parallel(gpu, &model, &text);
            let largest = whole.iter().fold(0f32, |m, v| m.max(v.abs()));
            assert!(largest > 1.0, "{largest}");
            for chunk in [1, 2, 3, 7, 64, 70] {
                let parts = streamed(gpu, &model, &text, chunk);
                let worst = whole.iter().zip(&parts).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                // 2e-6 a layer of AFT (typical tier), of two layers, and their sums over channels.
                assert!(
                    worst <= 1e-5 * largest,
                    "{:?} {variant} {window} {chunk}: {worst} of {largest}",
                    tuning.target
                );
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&parts), bits(&streamed(gpu, &model, &text, chunk)));
            }
        }
    }
}

fn one_encoder(gpu: &Gpu) {
    let model = decided(gpu, &LanguageConfig { length: 12, ..small() });
    let settings =
        gpu.upload("settings", &[Sampling { temperature: 1.0, ..Default::default() }.settings().unwrap()]).unwrap();
    let run_eight = |submit_each: bool| {
        let b = &mut Builder::new(gpu, model.placement);
        let stream = model.open(b, 2, 8).unwrap();
        run(gpu, b);
        gpu.write(&stream.tokens.buffer, 0, bytemuck::cast_slice(&[65u32, 66])).unwrap();
        gpu.write(&stream.cursor, 0, bytemuck::bytes_of(&Cursor { end: 1, ..Default::default() })).unwrap();
        let x = model.stream(b, &stream, &StreamPass { chunk: 1, leave: 0, made: 1 }).unwrap();
        let logits = &model.stream_logits(b, &stream, x).unwrap();
        sample(b, &Sample { logits, cursor: &stream.cursor, settings: &settings, tokens: &stream.tokens }).unwrap();
        let program = b.take_program();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for _ in 0..8 {
            program.record(&mut encoder);
            if submit_each {
                let next = gpu.device().create_command_encoder(&Default::default());
                gpu.queue().submit([std::mem::replace(&mut encoder, next).finish()]);
            }
        }
        gpu.queue().submit([encoder.finish()]);
        let tokens = block_on(gpu.read::<u32>(&stream.tokens.buffer, 0, 4 * 2 * 9)).unwrap();
        (tokens, block_on(logits.read(gpu)).unwrap().iter().map(|l| l.to_bits()).collect::<Vec<_>>())
    };
    let together = run_eight(false);
    assert_eq!(together, run_eight(true));
    assert_ne!(together.0[2..4], together.0[16..18]);
}

fn repeats(gpu: &Gpu) {
    let model = decided(gpu, &LanguageConfig { length: 300, ..small() });
    let sampling = Sampling { temperature: 1.0, seed: 3, ..Default::default() };
    let after = |parts: &[&[u8]], counts: &[usize], sampling: &Sampling| {
        let mut generator = generator(gpu, &model, 1);
        parts.iter().for_each(|part| block_on(generator.read(part)).unwrap());
        counts.iter().flat_map(|&count| made(&mut generator, count, sampling)).collect::<Vec<_>>()
    };
    let text = text(150);
    let whole = after(&[&text], &[50], &sampling);
    assert_eq!(whole, after(&[&text], &[50], &sampling));
    assert_eq!(whole, after(&[&text], &[1, 7, 8, 9, 25], &sampling));
    assert_ne!(whole, after(&[&text], &[50], &Sampling { seed: 4, ..sampling }));
    assert_ne!(whole, after(&[&text[1..]], &[50], &sampling));
    // Cut elsewhere, the prompt is the same up to rounding; a draw at a boundary may differ, hardly the first ten.
    assert_eq!(whole[..10], after(&[&text[..64], &text[64..65], b"", &text[65..]], &[10], &sampling));
    // Broken off, what was made ahead comes first.
    let mut generator = generator(gpu, &model, 1);
    block_on(generator.read(&text)).unwrap();
    let mut out = Vec::new();
    for count in [11usize, 3, 36] {
        let goal = out.len() + count;
        let take = |tokens: &[u8]| {
            out.extend_from_slice(tokens);
            if out.len() == goal { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        block_on(generator.generate(60, &sampling, take)).unwrap();
    }
    assert_eq!(out, whole);
    // Started over, it is as new; without a prompt it begins after a line end.
    generator.restart();
    let unprompted = made(&mut generator, 20, &sampling);
    assert_eq!(unprompted, after(&[b"\n"], &[20], &sampling));
    assert!(made(&mut generator, 0, &sampling).is_empty());
}

fn top_k_1(gpu: &Gpu) {
    let model = decided(gpu, &small());
    let likeliest = |sampling| {
        let mut generator = generator(gpu, &model, 1);
        block_on(generator.read(b"a prompt")).unwrap();
        made(&mut generator, 40, &sampling)
    };
    let cold = likeliest(Sampling { temperature: 0.0, ..Default::default() });
    assert_eq!(cold, likeliest(Sampling { temperature: 2.0, top_k: 1, seed: 9, ..Default::default() }));
    assert_eq!(cold, likeliest(Sampling { temperature: 2.0, top_p: 1e-6, ..Default::default() }));
    assert_ne!(cold, likeliest(Sampling { temperature: 2.0, ..Default::default() }));
}

fn samples(gpu: &Gpu) {
    let model = decided(gpu, &small());
    let sampling = Sampling { temperature: 1.0, seed: 1 << 40, ..Default::default() };
    let mut many = generator(gpu, &model, 5);
    block_on(many.read(b"the same ")).unwrap();
    let texts = made(&mut many, 60, &sampling);
    for i in 0..5 {
        let mut one = generator(gpu, &model, 1);
        block_on(one.read(b"the same ")).unwrap();
        let single = made(&mut one, 60, &Sampling { first_sequence: i, ..sampling });
        let of_many: Vec<u8> = texts.chunks(5).map(|tokens| tokens[i as usize]).collect();
        assert_eq!(single, of_many, "sample {i}");
    }
    assert_ne!(texts[..5], [texts[0]; 5]);
}

/// Past the model's length, each token is the likeliest by the forward pass over the window that is left.
fn sliding(gpu: &Gpu) {
    for (length, window) in [(1, 1), (2, 1), (3, 2), (8, 3), (21, 30)] {
        let model = decided(gpu, &LanguageConfig { length, window, ..small() });
        let (length, kept) = (length as usize, (length as usize / 2).max(1));
        let cold = Sampling { temperature: 0.0, ..Default::default() };
        for prompt in [1, length, length + 1, 3 * length + 2] {
            let mut generator = generator(gpu, &model, 1);
            block_on(generator.read(&text(prompt))).unwrap();
            let made = made(&mut generator, 3 * length + 5, &cold);
            let mut all = text(prompt);
            let mut origin = 0;
            for (i, &token) in made.iter().enumerate() {
                while all.len() - origin > length {
                    origin += length + 1 - kept;
                }
                let logits = parallel(gpu, &model, &all[origin..]);
                let last = &logits[logits.len() - 256..];
                let best = last.iter().fold(f32::MIN, |m, &l| m.max(l));
                // Rounding may decide between two that are as likely.
                assert!(last[token as usize] >= best - 1e-4, "T = {length}, prompt of {prompt}, token {i}");
                all.push(token);
            }
        }
    }
}

fn save_and_fork(gpu: &Gpu) {
    let sampling = Sampling { temperature: 1.0, seed: 2, ..Default::default() };
    for (variant, length) in [
        (Mixer::Aft(Form::Local), 24),
        (Mixer::Aft(Form::Simple), 24),
        (Mixer::Aft(Form::Local), 3),
        (Mixer::Aft(Form::Full), 24),
        (Mixer::Aft(Form::Conv1d), 24),
        (Mixer::Attention, 24),
    ] {
        let model = decided(gpu, &LanguageConfig { variant, length, ..small() });
        for count in [0, 5, 40] {
            let mut first = generator(gpu, &model, 2);
            block_on(first.read(b"to be saved ")).unwrap();
            made(&mut first, count, &sampling);
            // Broken off with tokens made ahead.
            block_on(first.generate(20, &sampling, |_| ControlFlow::Break(()))).unwrap();
            let state = block_on(first.save()).unwrap();
            let bytes = state.to_bytes().unwrap();
            assert!(bytes == state.to_bytes().unwrap() && bytes.len() < 100_000, "{} bytes", bytes.len());
            let loaded = StreamState::from_bytes(&bytes).unwrap();
            assert_eq!(loaded, state);
            let expected = made(&mut first, 50, &sampling);
            let mut second = generator(gpu, &model, 2);
            block_on(second.read(b"something else")).unwrap();
            second.restore(&loaded).unwrap();
            assert_eq!(made(&mut second, 50, &sampling), expected, "{variant} {length} {count}");
            // Each sequence three times, all drawing on for themselves.
            let mut forked = generator(gpu, &model, 6);
            forked.restore(&loaded.fork(3).unwrap()).unwrap();
            let cold = Sampling { temperature: 0.0, ..Default::default() };
            let made_forked = made(&mut forked, 30, &cold);
            second.restore(&loaded).unwrap();
            let thrice: Vec<u8> = made(&mut second, 30, &cold).iter().flat_map(|&token| [token; 3]).collect();
            assert_eq!(made_forked, thrice);
        }
    }
}

fn broken_states(gpu: &Gpu) {
    let model = decided(gpu, &small());
    let mut fresh = generator(gpu, &model, 1);
    let state = block_on(fresh.save()).unwrap();
    assert_eq!(StreamState::from_bytes(&state.to_bytes().unwrap()).unwrap(), state);
    block_on(fresh.read(b"some text")).unwrap();
    let state = block_on(fresh.save()).unwrap();
    let bytes = state.to_bytes().unwrap();
    let refused = |bytes: &[u8]| match StreamState::from_bytes(bytes) {
        Err(Error::Format { .. }) => {}
        other => panic!("{other:?}"),
    };
    for cut in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        refused(&bytes[..cut]);
    }
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len(), "the header's length must stay");
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
    };
    for (from, to) in [
        ("\\\"end\\\":9", "\\\"end\\\":8"),
        ("\\\"origin\\\":0", "\\\"origin\\\":9"),
        ("\\\"samples\\\":1", "\\\"samples\\\":0"),
        ("\\\"samples\\\":1", "\\\"samples\\\":2"),
        ("\\\"format\\\":1", "\\\"format\\\":2"),
        ("\\\"layers\\\":2", "\\\"layers\\\":1"),
        ("\\\"dim\\\":16", "\\\"dim\\\":20"),
        ("\\\"unseen\\\"", "\\\"unsaid\\\""),
        ("layers.1.sums", "layers.9.sums"),
    ] {
        let changed = replaced(from, to);
        refused(&changed);
        refused(&sealed(&changed));
    }
    refused(&replaced("\"aft\"", "\"fat\""));
    // Numbers come first behind the header.
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut endless = bytes.clone();
    endless[data..data + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(&endless);
    refused(&sealed(&endless));
    for times in [0, 1 << 31] {
        assert!(matches!(state.fork(times), Err(Error::Config(_))));
    }
    let mut two = generator(gpu, &model, 2);
    assert!(matches!(two.restore(&state), Err(Error::Config(_))));
    let other = decided(gpu, &LanguageConfig { window: 6, ..small() });
    assert!(matches!(generator(gpu, &other, 1).restore(&state), Err(Error::Config(_))));
}

fn nonsense(gpu: &Gpu) {
    let model = model(gpu, &small());
    assert!(matches!(block_on(Generator::new(gpu, &model, 0)), Err(Error::Config(_))));
    assert!(matches!(block_on(Generator::new(gpu, &model, 1 << 30)), Err(Error::LimitExceeded { .. })));
    let mut generator = generator(gpu, &model, 1);
    for sampling in [
        Sampling { temperature: -1.0, ..Default::default() },
        Sampling { temperature: f32::NAN, ..Default::default() },
        Sampling { top_p: 0.0, ..Default::default() },
    ] {
        let result = block_on(generator.generate(1, &sampling, |_| ControlFlow::Continue(())));
        assert!(matches!(result, Err(Error::Config(_))), "{sampling:?}");
    }
    // 24 positions: the last byte made is not read.
    for (prompt, count, fits) in [(0, 24, true), (0, 25, false), (24, 1, true), (24, 2, false), (25, 1, false)] {
        assert_eq!(generator.expect_room(prompt, count).is_ok(), fits, "{prompt} {count}");
    }
    block_on(generator.read(&[65; 20])).unwrap();
    assert_eq!(
        (generator.left(), generator.expect_room(0, 5).is_ok(), generator.expect_room(0, 6).is_ok()),
        (5, true, false)
    );
}

fn a_token_allocates_nothing(gpu: &Gpu) {
    // A device of its own: other tests allocate on the shared one.
    let gpu = &Gpu::request_blocking(&Default::default()).unwrap().with_tuning(*gpu.tuning());
    let model = model(gpu, &small());
    let mut generator = generator(gpu, &model, 2);
    let sampling = Sampling::default();
    block_on(generator.read(&text(100))).unwrap();
    made(&mut generator, 100, &sampling);
    let before = gpu.memory();
    made(&mut generator, 200, &sampling);
    block_on(generator.read(&text(50))).unwrap();
    made(&mut generator, 9, &sampling);
    assert_eq!(gpu.memory(), before);
}

fn lost(gpu: &Gpu) {
    let gpu = &Gpu::request_blocking(&Default::default()).unwrap().with_tuning(*gpu.tuning());
    let model = model(gpu, &small());
    let mut generator = generator(gpu, &model, 1);
    let mut count = 0;
    let result = block_on(generator.generate(1000, &Sampling::default(), |_| {
        count += 1;
        if count == 20 {
            gpu.device().destroy();
        }
        ControlFlow::Continue(())
    }));
    assert!(matches!(result, Err(Error::DeviceLost { .. })), "{result:?}");
    // What was on its way may still come.
    assert!((20..60).contains(&count), "{count}");
    let lost = |result: Result<(), Error>| assert!(matches!(result, Err(Error::DeviceLost { .. })), "{result:?}");
    lost(block_on(generator.read(b"more")));
    lost(block_on(generator.save()).map(|_| ()));
    lost(block_on(Generator::new(gpu, &model, 1)).map(|_| ()));
}

fn catalogue(_: &Gpu) {
    let listed: Vec<String> = aft_wgpu::catalogue::all().iter().map(|(kernel, variant)| kernel.wgsl(variant)).collect();
    let gpu = Gpu::request_blocking(&Default::default()).unwrap();
    for tuning in Tuning::ALL {
        for variant in [
            Mixer::Aft(Form::Local),
            Mixer::Aft(Form::Simple),
            Mixer::Aft(Form::Full),
            Mixer::Aft(Form::Conv1d),
            Mixer::Attention,
        ] {
            let gpu = &gpu.with_tuning(tuning);
            let model = model(gpu, &LanguageConfig { variant, ..small() });
            made(&mut generator(gpu, &model, 2), 30, &Sampling::default());
        }
    }
    let used = gpu.sources();
    assert!(used.len() > 15, "{} pipelines", used.len());
    for source in used {
        assert!(listed.contains(&source), "not in the catalogue:\n{source}");
    }
}

/// Printed, not asserted: the times should be within 10 % of each other.
fn time_per_token(gpu: &Gpu) {
    for (variant, window) in [(Mixer::Aft(Form::Simple), 0), (Mixer::Aft(Form::Local), 16)] {
        let model = model(gpu, &LanguageConfig { variant, window, length: 16_384, ..small() });
        let mut at = [100, 16_000].map(|position| {
            let mut generator = generator(gpu, &model, 1);
            block_on(generator.read(&text(position))).unwrap();
            made(&mut generator, 24, &Sampling::default());
            (generator, f64::INFINITY)
        });
        // In turns, and the fastest of each: other work only slows them down.
        for _ in 0..20 {
            for (generator, fastest) in &mut at {
                let begun = Instant::now();
                made(generator, 16, &Sampling::default());
                *fastest = fastest.min(begun.elapsed().as_secs_f64() / 16.0 * 1e6);
            }
        }
        let [early, late] = at.map(|(_, fastest)| fastest);
        eprintln!("AFT-{variant}: {early:.0} us a token at position 100, {late:.0} us at 16,000");
    }
}
