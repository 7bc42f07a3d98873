//! The end of a training step: gradient norm, loss, learning rate and AdamW's bias corrections.

use super::compare::{Case, EPS, largest, verdict, wide};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::train_state::{CloseStep, Record, Schedule, TrainState, close_step, metrics_bytes};
use crate::reference::nn::train_state as reference;

const SCHEDULE: Schedule = Schedule { peak: 3e-3, floor: 1e-4, warmup: 10, steps: 60 };
const BETAS: (f32, f32) = (0.9, 0.999);
const MAX_NORM: f32 = 1.0;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let schedule = reference::Schedule {
        peak: SCHEDULE.peak.into(),
        floor: SCHEDULE.floor.into(),
        warmup: SCHEDULE.warmup,
        steps: SCHEDULE.steps,
    };
    let betas = (f64::from(BETAS.0), f64::from(BETAS.1));
    // Steps during and after the warm-up, with norms below and above the clipping limit.
    let norms: Vec<f32> = (0..24).map(|step| 0.2 * (1 + step % 11) as f32).collect();
    let (partials, losses) = (bench.buffer(&[0.0; 2])?, bench.buffer(&[0.0; 3])?);
    let state = bench.b.gpu.upload("state", &[TrainState::new(77)])?;
    let metrics = bench.b.gpu.storage("metrics", metrics_bytes(norms.len() as u32))?;
    let args = CloseStep {
        partials: (&partials, 2),
        losses: (&losses, 3),
        loss_scale: 1.0 / 3.0,
        micro_batches: 1,
        max_norm: MAX_NORM,
        schedule: SCHEDULE,
        betas: BETAS,
        state: &state,
        metrics: &metrics,
    };
    close_step(&mut bench.b, &args)?;
    let program = bench.b.take_program();
    let mut truth = reference::State::default();
    let (mut rates, mut losses_truth) = (Vec::new(), Vec::new());
    for (step, &norm) in norms.iter().enumerate() {
        bench.b.gpu.write(&partials, 0, bytemuck::cast_slice(&[norm * norm, 0.0]))?;
        bench.b.gpu.write(&losses, 0, bytemuck::cast_slice(&[step as f32, 0.0, 2.0 * step as f32]))?;
        bench.b.program = program.clone();
        bench.run().await?;
        truth = truth.close(&schedule, MAX_NORM.into(), betas, norm.into());
        rates.push(truth.lr);
        losses_truth.push(step as f64);
    }
    let records: Vec<Record> = bench.b.gpu.read(&metrics, 0, metrics_bytes(norms.len() as u32)).await?;
    let last: Vec<TrainState> = bench.b.gpu.read(&state, 0, size_of::<TrainState>() as u64).await?;
    let column = |of: fn(&Record) -> f32| records.iter().map(of).collect::<Vec<_>>();
    let norms = wide(&norms);
    let corrections: Vec<f32> = last.iter().flat_map(|state| [state.correction1, state.correction2]).collect();
    // WGSL allows cos an error of 2^-11. Errors of the bias corrections shrink by beta each step.
    let lr_tolerance = schedule.peak * 2.0f64.powi(-11);
    Ok(vec![(
        format!("{} steps", norms.len()),
        vec![
            verdict("lr", &column(|r| r.lr), &rates, lr_tolerance),
            verdict("norm", &column(|r| r.norm), &norms, 2.0 * EPS * largest(&norms)),
            verdict("loss", &column(|r| r.loss), &losses_truth, 2.0 * EPS * largest(&losses_truth)),
            verdict("correction", &corrections, &[truth.correction1, truth.correction2], 10.0 * EPS),
        ],
    )])
}
