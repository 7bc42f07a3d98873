//! Training steps: tokens per second by the host's clock, over whole steps.

use std::ops::ControlFlow;
use std::sync::Arc;

use web_time::Instant;

use super::model::{Model, letters, stir};
use super::truth::Truth;
use super::update;
use super::work::Work;
use crate::bench::explanation::{Explanation, Step};
use crate::bench::gate::{FAIL, is_right, judge, worse};
use crate::bench::measure::Measure;
use crate::bench::pair::{ROUNDS, median};
use crate::bench::profile;
use crate::bench::result::Row;
use crate::bench::roofline::Ceiling;
use crate::data::MemoryText;
use crate::error::Result;
use crate::gpu::{Command, Program};
use crate::models::language::LanguageConfig;
use crate::ops::nn::batch::IGNORED;
use crate::random::below;
use crate::train::{TrainConfig, Trainer};

/// Positions of the last sequence that the reference computes for large models; all others have no target.
const CHECKED: usize = 48;
/// Up to this number of layer parameters times positions, the whole last sequence is computed.
const SMALL: f64 = 3e8;

pub(super) async fn measure(
    model: &Model,
    row: Row,
    measure: &mut Measure<'_>,
    rows: &mut Vec<Row>,
) -> Result<ControlFlow<()>> {
    let gpu = measure.gpu.clone();
    let before = gpu.memory().live_bytes;
    gpu.forget_peak();
    let mut trainer = trainer(model, measure).await?;
    let peak_bytes = Some(gpu.memory().peak_bytes - before);
    let placement = trainer.model.placement;
    let mut row = Row { direction: "step".into(), peak_bytes, plan: Some(model.plan(&gpu, placement)), ..row };
    judge(&mut row, error(&mut trainer, measure, model).await?);
    if row.gate == FAIL {
        rows.push(row);
        return Ok(ControlFlow::Continue(()));
    }
    let run = async |steps: u32| {
        let start = Instant::now();
        trainer.advance(steps).await.map(|_| start.elapsed().as_secs_f64())
    };
    let flops = Work::of(&model.config)?.step(model.batch);
    let Some(timed) = measure.hosted((Ceiling::Fma, 0.0), 50, run).await? else { return Ok(ControlFlow::Break(())) };
    row.flops = Some(flops);
    timed.fill(&mut row, flops);
    row.tokens_per_second = row.median_ms.map(|ms| 1e3 * f64::from(model.batch * model.config.length) / ms);
    rows.push(row);
    Ok(ControlFlow::Continue(()))
}

/// Analyses a step by kernel.
pub(in crate::bench) async fn explain(model: &Model, case: &str, measure: &mut Measure<'_>) -> Result<Explanation> {
    let gpu = measure.gpu.clone();
    let mut trainer = trainer(model, measure).await?;
    let error = error(&mut trainer, measure, model).await?;
    let (name, plan) = (format!("{case}, step"), model.plan(&gpu, trainer.model.placement));
    if !is_right(error) {
        return Ok(Explanation::wrong(name, plan, error));
    }
    let joined = |trainer: &Trainer| {
        let [gradients, update] = trainer.programs();
        let mut all = gradients.clone();
        all.append(update);
        all
    };
    let counts = |program: &Program| {
        let dispatches = program.commands().iter().filter(|command| matches!(command, Command::Dispatch(_))).count();
        [dispatches, profile::passes(program)]
    };
    let program = joined(&trainer);
    let layers = model.config.layers + 1;
    let deeper = Model { config: LanguageConfig { layers, ..model.config.clone() }, ..*model };
    let deeper = counts(&joined(&self::trainer(&deeper, measure).await?));
    let [dispatches, passes] = counts(&program);
    let mut seconds = Vec::new();
    for _ in 0..=ROUNDS {
        let start = Instant::now();
        trainer.advance(1).await?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let step = Step {
        dispatches_of_a_block: deeper[0] - dispatches,
        passes_of_a_block: deeper[1].saturating_sub(passes),
        encoding_ms: profile::encoding_ms(&gpu, &trainer.programs()),
        // The first step includes compilation.
        step_ms: 1e3 * median(&seconds[1..]),
    };
    let (clock, kernels) = profile::shares(measure, &program).await?;
    Ok(Explanation { case: name, plan, error, clock, kernels, passes, step: Some(step) })
}

/// A trainer for the model on a text of random letters.
async fn trainer(model: &Model, measure: &Measure<'_>) -> Result<Trainer> {
    let class = measure.gpu.caps().adapter.class;
    // So many steps that the schedule does not end here.
    let config = TrainConfig { batch: model.batch, steps: 1_000_000, seed: 1, ..TrainConfig::for_adapter(class) };
    let text: Vec<u8> = letters(2, 1 << 16).into_iter().map(|letter| letter as u8).collect();
    let trainer = Trainer::new(&measure.gpu, &model.config, &config, Arc::new(MemoryText::new(text))).await?;
    stir(&measure.gpu, &trainer.model)?;
    Ok(trainer)
}

/// The largest of three errors, in units of the tolerance. First: the losses of the last sequence's positions, or of its first
/// ones. Second: the gradient along random directions. A step's own program computes both, with all other targets removed. Third:
/// the weights after a whole step.
async fn error(trainer: &mut Trainer, measure: &Measure<'_>, model: &Model) -> Result<f64> {
    let length = model.config.length as usize;
    let len = model.batch as usize * length;
    let n = if model.numbers() * length as f64 <= SMALL { length } else { CHECKED.min(length) };
    let checked = len - length..len - length + n;
    let (tokens, all) = (letters(3, len), letters(4, len));
    let targets: Vec<u32> = (0..len).map(|i| if checked.contains(&i) { all[i] } else { IGNORED }).collect();
    let got = trainer.try_batch(&tokens, &targets).await?;
    let (tokens, targets, got) = (&tokens[checked.clone()], &targets[checked.clone()], &got[checked]);
    let truth = Truth::of(&measure.gpu, &trainer.model).await?;
    let losses = truth.losses(tokens, targets)?;
    let off = |(got, truth): (&f32, &f64)| (f64::from(*got) - truth).abs();
    let loss_error = got.iter().zip(&losses).map(off).fold(0.0, worse);

    let gradients = trainer.model.parameters.gradients(&measure.gpu).await?;
    let norms: Vec<f64> =
        gradients.iter().map(|all| all.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt()).collect();
    // Tensors without a gradient are moved as well, in case a gradient is missing by mistake.
    let least = 1e-4 * norms.iter().fold(0.0, |most: f64, norm| most.max(*norm));
    let mut slope_error = 0.0;
    for probe in 0..PROBES {
        // Random signs, scaled so that each tensor's gradient contributes about equally.
        let mut place = 0;
        let mut sign = || {
            place += 1;
            if below([5, 0x6265_6e63, place, probe], 2) == 0 { 1.0 } else { -1.0 }
        };
        let tensors = gradients.iter().zip(&norms);
        let mut direction: Vec<Vec<f64>> =
            tensors.map(|(all, norm)| all.iter().map(|_| sign() / norm.max(least)).collect()).collect();
        let length = direction.iter().flatten().map(|d| d * d).sum::<f64>().sqrt();
        direction.iter_mut().flatten().for_each(|d| *d /= length);
        let loss = |step: f64| -> Result<f64> {
            let moved = truth.moved(&direction, step);
            // One row's weight in the mean over all rows of the batch.
            Ok(moved.losses(tokens, targets)?.iter().sum::<f64>() / len as f64)
        };
        let slope = (loss(STEP)? - loss(-STEP)?) / (2.0 * STEP);
        let along = gradients.iter().flatten().zip(direction.iter().flatten()).map(|(g, d)| f64::from(*g) * d);
        // The share of one tensor is about 1 / length.
        slope_error = worse(slope_error, length * (slope - along.sum::<f64>()).abs());
    }
    let update_error = update::error(trainer, &measure.gpu).await?;
    Ok(worse(worse(loss_error / LOSS_TOLERANCE, slope_error / SLOPE_TOLERANCE), update_error))
}

/// Total size of the move of the weights; its second difference is far below the tolerance.
const STEP: f64 = 1e-3;
/// In nats: about ten roundings of logits of a few units.
const LOSS_TOLERANCE: f64 = 2e-5;
/// Relative to one tensor's part of a slope. It is over twenty times the measured error (9e-7 on lavapipe, all tensors together),
/// and far below the effect of a wrong gradient of one tensor.
const SLOPE_TOLERANCE: f64 = 2e-5;
/// Number of random directions along which the gradient is checked.
const PROBES: u32 = 3;
