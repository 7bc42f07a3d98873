//! Text generation: tokens per second, and the time from a prompt to the first token, measured with the host's clock.

use std::ops::ControlFlow;

use web_time::Instant;

use super::model::{Model, letters, stir};
use super::truth::Truth;
use super::work::Work;
use crate::bench::gate::{FAIL, judge};
use crate::bench::measure::Measure;
use crate::bench::result::Row;
use crate::bench::roofline::Ceiling;
use crate::error::Result;
use crate::generate::{Generator, Sampling};
use crate::models::language::{Language, VOCABULARY};
use crate::reference::compare::worst;

/// Tokens checked against the reference, after a prompt longer than a window by this number, so that the window has moved.
const CHECKED: usize = 8;
/// Absolute tolerance of a logit: about ten roundings of values of a few units.
const TOLERANCE: f64 = 2e-5;

pub(super) async fn measure(
    model: &Model,
    row: Row,
    measure: &mut Measure<'_>,
    rows: &mut Vec<Row>,
) -> Result<ControlFlow<()>> {
    let gpu = measure.gpu.clone();
    let before = gpu.memory().live_bytes;
    gpu.forget_peak();
    let language = Language::new(&gpu, &model.config, model.config.length, false, Some(1))?;
    stir(&gpu, &language)?;
    let mut generator = Generator::new(&gpu, &language, 1).await?;
    let peak_bytes = Some(gpu.memory().peak_bytes - before);
    let row = Row { B: Some(1), peak_bytes, plan: Some(model.plan(&gpu, language.placement)), ..row };
    let error = error(&mut generator, model, &Truth::of(&gpu, &language).await?).await?;
    let work = Work::of(&model.config)?;
    let half = (model.config.length / 2).max(1);
    let prompt = bytes(6, half as usize);
    for first in [true, false] {
        let mut row = Row { direction: if first { "first token" } else { "token" }.into(), ..row.clone() };
        judge(&mut row, error);
        if row.gate == FAIL {
            rows.push(row);
            continue;
        }
        let run = async |count| {
            if first {
                first_tokens(&mut generator, &prompt, count).await
            } else {
                tokens(&mut generator, &prompt, count).await
            }
        };
        // After the last position, the generator would read the last half of the text again.
        let (ceiling, most) = if first { (Ceiling::Fma, 50) } else { (Ceiling::Reads(language.placement), half - 1) };
        let timed = measure.hosted((ceiling, work.token_bytes(half)), most.max(1), run).await?;
        let Some(timed) = timed else { return Ok(ControlFlow::Break(())) };
        let amount = if first {
            *row.flops.insert(work.prompt(half))
        } else {
            let each = (1..=timed.repeats()).map(|token| work.token_bytes(half + token));
            *row.bytes.insert(each.sum::<f64>() / f64::from(timed.repeats()))
        };
        timed.fill(&mut row, amount);
        row.tokens_per_second = row.median_ms.filter(|_| !first).map(|ms| 1e3 / ms);
        rows.push(row);
    }
    Ok(ControlFlow::Continue(()))
}

/// Total seconds from a prompt to the next token, over `count` repetitions.
async fn first_tokens(generator: &mut Generator, prompt: &[u8], count: u32) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..count {
        generator.restart();
        generator.read(prompt).await?;
        make(generator, 1).await?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds for the `count` tokens after the first generated one.
async fn tokens(generator: &mut Generator, prompt: &[u8], count: u32) -> Result<f64> {
    first_tokens(generator, prompt, 1).await?;
    let start = Instant::now();
    make(generator, count as usize).await?;
    Ok(start.elapsed().as_secs_f64())
}

async fn make(generator: &mut Generator, count: usize) -> Result<()> {
    generator.generate(count, &Sampling::default(), |_| ControlFlow::Continue(())).await
}

fn bytes(stream: u32, len: usize) -> Vec<u8> {
    letters(stream, len).into_iter().map(|letter| letter as u8).collect()
}

/// Error of the logits compared with the reference, in units of the tolerance.
async fn error(generator: &mut Generator, model: &Model, truth: &Truth) -> Result<f64> {
    let before = (model.config.window as usize + CHECKED).min(model.config.length as usize - CHECKED);
    let mut text = bytes(5, before);
    generator.read(&text).await?;
    let mut got = Vec::new();
    for _ in 0..CHECKED {
        let push = |tokens: &[u8]| {
            text.push(tokens[0]);
            ControlFlow::Continue(())
        };
        generator.generate(1, &Sampling::default(), push).await?;
        got.extend(generator.logits().await?);
    }
    let tokens: Vec<u32> = text[..before + CHECKED - 1].iter().map(|&byte| byte.into()).collect();
    let logits = truth.logits(&tokens)?;
    let truth = &logits[(before - 1) * VOCABULARY as usize..];
    Ok(worst(&got, truth, |_| TOLERANCE).ratio)
}
