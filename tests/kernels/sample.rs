//! `nn/sample`: the draw of a token.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::cursor::Cursor;
use aft_wgpu::ops::nn::sample::{Sample, Settings, sample};
use aft_wgpu::ops::nn::stream_embedding::TokenRing;
use aft_wgpu::random::pcg4d;
use aft_wgpu::reference::nn::sample as reference;
use libtest_mimic::Trial;
use pollster::block_on;

use crate::common::*;
use crate::trial;

const PLAIN: Settings = Settings { temperature: 1.0, top_p: 1.0, top_k: 0, first_sequence: 3, seed: [11, 12] };

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "sample::tokens_are_those_of_the_reference", |gpu| {
            for (n, vocabulary, spread) in [(1, 1, 1.0), (40, 2, 1.0), (40, 7, 3.0), (60, 255, 2.0), (300, 256, 4.0)] {
                let logits: Vec<f32> = normal(1, n * vocabulary).iter().map(|x| spread * x).collect();
                for temperature in [0.0, 0.1, 0.7, 1.0, 20.0] {
                    for (top_k, top_p) in [(0, 1.0), (1, 1.0), (5, 1.0), (1000, 0.9), (20, 0.3), (0, 1e-6)] {
                        let settings = Settings { temperature, top_k, top_p, ..PLAIN };
                        check(gpu, n, vocabulary, &logits, &settings);
                    }
                }
            }
        }),
        trial(gpu, "sample::frequencies_are_those_of_the_softmax", |gpu| {
            // Draws of 4,000 sequences, which differ in their random word alone.
            let (n, shares) = (4000, [0.5f32, 0.25, 0.15, 0.1]);
            let logits = shares.map(f32::ln).repeat(n);
            let tokens = draw(gpu, Placement::Buffer, n, 4, &logits, &PLAIN, 9);
            for (token, &share) in shares.iter().enumerate() {
                let count = tokens.iter().filter(|&&t| t == token as u32).count() as f64;
                let (expected, p) = (n as f64 * f64::from(share), f64::from(share));
                // Five standard deviations of a binomial count.
                assert!((count - expected).abs() < 5.0 * (n as f64 * p * (1.0 - p)).sqrt(), "{token}: {count}");
            }
        }),
        trial(gpu, "sample::the_lowest_of_equal_tokens_is_the_likeliest", |gpu| {
            for settings in [Settings { temperature: 0.0, ..PLAIN }, Settings { top_k: 1, ..PLAIN }] {
                let logits = [vec![1.0; 256], [vec![0.0; 100], vec![2.0; 156]].concat()].concat();
                assert_eq!(draw(gpu, Placement::Texture, 2, 256, &logits, &settings, 1), [0, 100]);
            }
        }),
        trial(gpu, "sample::logits_that_are_not_finite_give_a_token_of_the_vocabulary", |gpu| {
            let (nan, inf) = (f32::NAN, f32::INFINITY);
            let rows = [[nan, 1.0, 2.0], [nan, nan, nan], [inf, 0.0, nan], [-inf, -inf, 0.0], [-inf, f32::MAX, inf]];
            for placement in PLACEMENTS {
                for temperature in [0.0, 1e-6, 1.0, 1e6] {
                    let settings = Settings { temperature, ..PLAIN };
                    let tokens = draw(gpu, placement, 5, 3, &rows.concat(), &settings, 2);
                    assert!(tokens.iter().all(|&token| token < 3), "{tokens:?}");
                }
                let tokens = draw(gpu, placement, 5, 3, &rows.concat(), &Settings { temperature: 0.0, ..PLAIN }, 2);
                assert_eq!(tokens, [2, 0, 0, 2, 1], "NaN is the lowest, and all beyond 1e30 are equal");
            }
        }),
        trial(gpu, "sample::a_sequence_is_what_it_counts_as", |gpu| {
            let logits = vec![0.0; 20 * 256];
            let all = draw(gpu, Placement::Buffer, 20, 256, &logits, &PLAIN, 5);
            for n in [0, 1, 19] {
                let settings = Settings { first_sequence: PLAIN.first_sequence + n, ..PLAIN };
                let one = draw(gpu, Placement::Buffer, 1, 256, &logits[..256], &settings, 5);
                assert_eq!(one[0], all[n as usize]);
            }
            let another =
                |settings, number| assert_ne!(draw(gpu, Placement::Buffer, 20, 256, &logits, settings, number), all);
            another(&PLAIN, 6);
            another(&Settings { seed: [11, 13], ..PLAIN }, 5);
            another(&Settings { seed: [10, 12], ..PLAIN }, 5);
        }),
        trial(gpu, "sample::larger_vocabularies_are_refused", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let logits = &unwritten(b, 1, 257);
            let [cursor, settings, buffer] = [16, 32, 64].map(|bytes| gpu.storage("test", bytes).unwrap());
            let tokens = &TokenRing { buffer, slots: 16, sequences: 1 };
            let error = sample(b, &Sample { logits, cursor: &cursor, settings: &settings, tokens }).unwrap_err();
            assert!(error.to_string().contains("257"), "{error}");
        }),
    ]
}

/// Every token is that of the reference, unless rounding may decide.
fn check(gpu: &Gpu, n: usize, vocabulary: usize, logits: &[f32], settings: &Settings) {
    for placement in PLACEMENTS {
        let number = 77;
        let tokens = draw(gpu, placement, n, vocabulary, logits, settings, number);
        let mut decided = 0;
        for (i, row) in logits.chunks(vocabulary).enumerate() {
            let sampling = reference::Sampling {
                temperature: settings.temperature.into(),
                top_k: settings.top_k as usize,
                top_p: settings.top_p.into(),
            };
            let sequence = settings.first_sequence + i as u32;
            let word = pcg4d([settings.seed[0], settings.seed[1], number, sequence])[0];
            let truth = reference::draw(&f64s(row), &sampling, reference::unit(word));
            // 256 roundings, and that of an exponent of up to 200.
            if truth.margin > 1e-4 {
                decided += 1;
                assert_eq!(tokens[i], truth.token as u32, "{placement:?}, V = {vocabulary}, row {i}, {settings:?}");
            }
        }
        assert!(decided * 2 >= n, "{decided} of {n} draws of {settings:?} were decided");
    }
}

/// The tokens of `n` sequences, as token `number`; nothing else of the ring may be written.
fn draw(
    gpu: &Gpu,
    placement: Placement,
    n: usize,
    vocabulary: usize,
    logits: &[f32],
    settings: &Settings,
    number: u32,
) -> Vec<u32> {
    const SLOTS: usize = 8;
    let b = &mut Builder::new(gpu, placement);
    let logits = plane(b, n, vocabulary, logits);
    let cursor = gpu.upload("test", &[Cursor { end: number + 1, ..Default::default() }]).unwrap();
    let settings = gpu.upload("test", &[*settings]).unwrap();
    let buffer = gpu.upload("test", &vec![u32::MAX; SLOTS * n]).unwrap();
    let tokens = TokenRing { buffer, slots: SLOTS as u32, sequences: n as u32 };
    sample(b, &Sample { logits: &logits, cursor: &cursor, settings: &settings, tokens: &tokens }).unwrap();
    run(b);
    let words: Vec<u32> = block_on(gpu.read(&tokens.buffer, 0, 4 * (SLOTS * n) as u64)).unwrap();
    let (slot, mut drawn) = (number as usize % SLOTS, Vec::new());
    for (i, row) in words.chunks(n).enumerate() {
        if i == slot {
            drawn = row.to_vec();
        } else {
            assert!(row.iter().all(|&word| word == u32::MAX), "slot {i} was written");
        }
    }
    drawn
}
