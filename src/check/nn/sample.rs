//! Sampling: the drawn tokens equal those of the reference, unless rounding could decide.

use super::compare::{Case, verdict, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::cursor::Cursor;
use crate::ops::nn::sample::{Sample, Settings, sample};
use crate::ops::nn::stream_embedding::TokenRing;
use crate::random::pcg4d;
use crate::reference::nn::sample as reference;

/// The token number that selects the random draw.
const NUMBER: u32 = 77;
const SLOTS: u32 = 8;
const SEED: [u32; 2] = [11, 12];
/// Margin from a rounding tie, as a fraction of the sum of weights: 256 roundings, and that of an exponent.
const DECIDED: f64 = 1e-4;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    for (temperature, top_k, top_p) in [(0.0, 0, 1.0), (1.0, 0, 1.0), (0.7, 5, 1.0), (0.7, 0, 0.9), (1.3, 20, 0.5)] {
        for vocabulary in [7, 256] {
            let settings = Settings { temperature, top_p, top_k, first_sequence: 3, seed: SEED };
            all.push(case(bench, vocabulary, settings).await?);
        }
    }
    Ok(all)
}

async fn case(bench: &mut Bench, vocabulary: usize, settings: Settings) -> Result<Case> {
    let n = 40;
    let logits: Vec<f32> = normal(1, n * vocabulary).iter().map(|x| 3.0 * x).collect();
    let gpu = &bench.b.gpu.clone();
    let cursor = gpu.upload("cursor", &[Cursor { end: NUMBER + 1, ..Cursor::default() }])?;
    let device_settings = gpu.upload("settings", &[settings])?;
    let buffer = gpu.upload("tokens", &vec![u32::MAX; SLOTS as usize * n])?;
    let tokens = TokenRing { buffer, slots: SLOTS, sequences: n as u32 };
    let plane = bench.plane(n, vocabulary, &logits)?;
    sample(&mut bench.b, &Sample { logits: &plane, cursor: &cursor, settings: &device_settings, tokens: &tokens })?;
    bench.run().await?;
    let row = 4 * n as u64;
    let drawn: Vec<u32> = gpu.read(&tokens.buffer, row * u64::from(NUMBER % SLOTS), row).await?;

    let Settings { temperature, top_p, top_k, first_sequence, .. } = settings;
    let sampling = reference::Sampling { temperature: temperature.into(), top_k: top_k as usize, top_p: top_p.into() };
    let (mut got, mut truth) = (Vec::new(), Vec::new());
    for ((sequence, logits), token) in (first_sequence..).zip(logits.chunks(vocabulary)).zip(drawn) {
        let word = pcg4d([SEED[0], SEED[1], NUMBER, sequence])[0];
        let draw = reference::draw(&wide(logits), &sampling, reference::unit(word));
        if draw.margin > DECIDED {
            got.push(token as f32);
            truth.push(draw.token as f64);
        }
    }
    let name = format!("[{n}, {vocabulary}] at temperature {temperature}, top-k {top_k}, top-p {top_p}");
    Ok((name, vec![verdict("token", &got, &truth, 0.5)]))
}
