//! Generation of text: tokens a second, and the time from a prompt to the first token, by the host's clock.

use std::ops::ControlFlow;

use web_time::Instant;

use super::super::measure::{FAIL, Measure, judge, times};
use super::super::pair::{ROUNDS, median};
use super::super::result::Row;
use super::model::{Model, stir};
use super::train::letters;
use super::truth::Truth;
use crate::error::Result;
use crate::generate::{Generator, Sampling};
use crate::models::language::{Language, VOCABULARY};
use crate::reference::compare::worst;

/// Bytes of a prompt and tokens after it that the reference computes.
const CHECKED: [usize; 2] = [24, 8];
/// Of a logit: some ten roundings of values of a few units.
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
    let error = error(&mut generator, &Truth::of(&gpu, &language).await?).await?;
    let prompt = bytes(6, model.config.length as usize / 2);
    for direction in ["first token", "token"] {
        let mut row = Row { direction: direction.into(), ..row.clone() };
        judge(&mut row, error);
        if row.gate == FAIL {
            rows.push(row);
            continue;
        }
        let first = direction == "first token";
        let mut run = async |count: usize| -> Result<f64> {
            if first {
                generator.restart();
            }
            let start = Instant::now();
            if first {
                generator.read(&prompt).await?;
            }
            generator.generate(count, &Sampling::default(), |_| ControlFlow::Continue(())).await?;
            Ok(start.elapsed().as_secs_f64())
        };
        run(1).await?;
        let one = run(8).await? / 8.0;
        let count = if first { 1 } else { (measure.allowance_s / ROUNDS as f64 / one).clamp(8.0, 200.0) as usize };
        let mut seconds = Vec::new();
        for _ in 0..ROUNDS {
            if (measure.stop)() {
                return Ok(ControlFlow::Break(()));
            }
            seconds.push(run(count).await? / count as f64);
        }
        times(&mut row, &seconds, count as u32);
        row.clock = Some("wall".into());
        row.tokens_per_second = (!first).then(|| 1.0 / median(&seconds));
        rows.push(row);
    }
    Ok(ControlFlow::Continue(()))
}

fn bytes(stream: u32, len: usize) -> Vec<u8> {
    letters(stream, len).into_iter().map(|letter| letter as u8).collect()
}

/// How far the logits that tokens are drawn by are from the reference's, in units of the tolerance.
async fn error(generator: &mut Generator, truth: &Truth) -> Result<f64> {
    let [before, count] = CHECKED;
    let mut text = bytes(5, before);
    generator.read(&text).await?;
    let mut got = Vec::new();
    for _ in 0..count {
        let push = |tokens: &[u8]| {
            text.push(tokens[0]);
            ControlFlow::Continue(())
        };
        generator.generate(1, &Sampling::default(), push).await?;
        got.extend(generator.logits().await?);
    }
    let tokens: Vec<u32> = text[..before + count - 1].iter().map(|&byte| byte.into()).collect();
    let logits = truth.logits(&tokens)?;
    let truth = &logits[(before - 1) * VOCABULARY as usize..];
    Ok(worst(&got, truth, |_| TOLERANCE).ratio)
}
