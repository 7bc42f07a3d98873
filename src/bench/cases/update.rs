//! Checks that a training step moves the weights as AdamW does, with the run's norm, clipping and schedule.

use crate::bench::gate::worse;
use crate::check::nn::EPS;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::reference::compare::widen;
use crate::reference::nn::adamw::{self, Hyper};
use crate::reference::nn::gradient_norm::norm;
use crate::reference::nn::train_state::{Schedule, State};
use crate::train::{TrainConfig, Trainer};

/// Relative to the size of a move or a moment: about ten roundings, plus those of the blockwise gradient norm.
const TOLERANCE: f64 = 32.0 * EPS;

/// A tensor and its AdamW moments.
struct Kept {
    param: Vec<f32>,
    moments: [Vec<f32>; 2],
}

/// The error of a new trainer's second step, in units of the tolerance. The first step makes the moments non-zero.
///
/// # Errors
/// As [`Trainer::advance`].
pub(super) async fn error(trainer: &mut Trainer, gpu: &Gpu) -> Result<f64> {
    trainer.advance(1).await?;
    let before = kept(trainer, gpu).await?;
    trainer.advance(1).await?;
    let gradients = trainer.model.parameters.gradients(gpu).await?;
    let decay: Vec<bool> = trainer.model.parameters.specs().iter().map(|spec| spec.decay).collect();
    Ok(judge(trainer.config(), &decay, &before, &gradients, &kept(trainer, gpu).await?))
}

async fn kept(trainer: &Trainer, gpu: &Gpu) -> Result<Vec<Kept>> {
    let parameters = &trainer.model.parameters;
    let (params, [first, second]) = (parameters.read(gpu).await?, parameters.moments(gpu).await?);
    let moments = first.into_iter().zip(second).map(|(first, second)| [first, second]);
    Ok(params.into_iter().zip(moments).map(|(param, moments)| Kept { param, moments }).collect())
}

/// The largest error of tensors and moments after the second step.
fn judge(config: &TrainConfig, decay: &[bool], before: &[Kept], gradients: &[Vec<f32>], after: &[Kept]) -> f64 {
    let state = second(config, gradients);
    let wide = [config.beta1, config.beta2, config.eps, config.weight_decay].map(f64::from);
    let [beta1, beta2, eps, weight_decay] = wide;
    let mut most = 0.0;
    for (i, (before, after)) in before.iter().zip(after).enumerate() {
        let weight_decay = if decay[i] { weight_decay } else { 0.0 };
        let hyper = Hyper { lr: state.lr, beta1, beta2, eps, weight_decay };
        let [param, grad, m, v] =
            [&before.param, &gradients[i], &before.moments[0], &before.moments[1]].map(|x| widen(x));
        let truth = adamw::step(&hyper, state.updates, state.clip, &param, &grad, &m, &v);
        for j in 0..param.len() {
            // The two parts of a moment may cancel. The weight is rounded separately.
            let m_size = beta1 * m[j].abs() + (1.0 - beta1) * (state.clip * grad[j]).abs();
            let move_size = state.lr * (1.0 + weight_decay * param[j].abs());
            for (got, truth, tolerance) in [
                (after.param[j], truth.param[j], EPS * param[j].abs() + TOLERANCE * move_size),
                (after.moments[0][j], truth.m[j], TOLERANCE * m_size),
                (after.moments[1][j], truth.v[j], TOLERANCE * truth.v[j]),
            ] {
                // Devices may flush subnormal numbers to 0.
                let ratio = (f64::from(got) - truth).abs() / (tolerance + f64::from(f32::MIN_POSITIVE));
                most = worse(most, ratio);
            }
        }
    }
    most
}

/// The reference's training state for the second step.
fn second(config: &TrainConfig, gradients: &[Vec<f32>]) -> State {
    let all: Vec<_> = gradients.iter().map(|g| widen(g)).collect();
    let norm = norm(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let schedule = config.schedule();
    let [peak, floor, clip, beta1, beta2] =
        [schedule.peak, schedule.floor, config.clip, config.beta1, config.beta2].map(f64::from);
    let schedule = Schedule { peak, floor, warmup: schedule.warmup, steps: schedule.steps };
    let first = State { step: 1, updates: 1, ..State::default() };
    first.close(&schedule, clip, (beta1, beta2), norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tensors, one of them decayed, as a device with the faults in `config` would leave them.
    fn after(config: &TrainConfig, decay: [bool; 2], before: &[Kept], gradients: &[Vec<f32>]) -> Vec<Kept> {
        let state = second(config, gradients);
        let [beta1, beta2, eps, weight_decay] =
            [config.beta1, config.beta2, config.eps, config.weight_decay].map(f64::from);
        let tensor = |i: usize| {
            let weight_decay = if decay[i] { weight_decay } else { 0.0 };
            let hyper = Hyper { lr: state.lr, beta1, beta2, eps, weight_decay };
            let [m, v] = [0, 1].map(|which| widen(&before[i].moments[which]));
            let (param, grad) = (widen(&before[i].param), widen(&gradients[i]));
            let after = adamw::step(&hyper, state.updates, state.clip, &param, &grad, &m, &v);
            let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<_>>();
            Kept { param: narrow(after.param), moments: [narrow(after.m), narrow(after.v)] }
        };
        vec![tensor(0), tensor(1)]
    }

    #[test]
    fn another_rule_is_no_update() {
        let config = TrainConfig { steps: 1000, ..TrainConfig::paper_enwik8() };
        let kept = |param: [f32; 2], m: [f32; 2]| Kept {
            param: param.to_vec(),
            moments: [m.to_vec(), m.map(|m| 0.3 * m * m).to_vec()],
        };
        let before = [kept([0.5, -1.5], [0.02, -0.1]), kept([1.0, 0.25], [1e-3, 3e-4])];
        // Large enough to be clipped.
        let gradients = [vec![3.0, -1.0], vec![0.5, 1e-6]];
        let decay = [true, false];
        let error = |device: &TrainConfig, decays: [bool; 2]| {
            let got = after(device, decays, &before, &gradients);
            judge(&config, &decay, &before, &gradients, &got)
        };
        assert!(error(&config, decay) < 1.0, "{}", error(&config, decay));
        for wrong in [
            TrainConfig { lr: 1.001 * config.lr, ..config.clone() },
            TrainConfig { beta1: 0.91, ..config.clone() },
            TrainConfig { beta2: 0.981, ..config.clone() },
            TrainConfig { weight_decay: 0.0, ..config.clone() },
            TrainConfig { clip: 1.001, ..config.clone() },
            TrainConfig { warmup: 99, ..config.clone() },
        ] {
            assert!(error(&wrong, decay) > 1.0, "{wrong:?}");
        }
        assert!(error(&config, [true, true]) > 1.0);
        let mut lost = after(&config, decay, &before, &gradients);
        lost[1].param[1] = f32::NAN;
        assert!(judge(&config, &decay, &before, &gradients, &lost) > 1.0);
    }
}
