//! AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019, arXiv 1711.05101, Algorithm 2).
//!
//! ```text
//! g = grad_scale grad
//! m = beta1 m + (1 - beta1) g
//! v = beta2 v + (1 - beta2) g^2
//! param -= lr (m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps) + weight_decay param)
//! ```
//!
//! The decay is multiplied by the learning rate, too, and uses the parameter before the step.

/// Hyper-parameters, constant over a run except for a schedule of `lr`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, per unit of learning rate.
    pub weight_decay: f64,
}

/// The state after a step, each of the length of the inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The parameters.
    pub param: Vec<f64>,
    /// The first moment.
    pub m: Vec<f64>,
    /// The second moment.
    pub v: Vec<f64>,
}

/// One step on a flat slice; `step` counts from 1, and `grad_scale` is the clipping factor.
pub fn step(hyper: &Hyper, step: u32, grad_scale: f64, param: &[f64], grad: &[f64], m: &[f64], v: &[f64]) -> Update {
    debug_assert_eq!((grad.len(), m.len(), v.len()), (param.len(), param.len(), param.len()));
    let &Hyper { lr, beta1, beta2, eps, weight_decay } = hyper;
    let (correction1, correction2) = (1.0 - beta1.powf(f64::from(step)), 1.0 - beta2.powf(f64::from(step)));
    let mut out = Update { param: param.to_vec(), m: m.to_vec(), v: v.to_vec() };
    for i in 0..param.len() {
        let g = grad_scale * grad[i];
        out.m[i] = beta1 * m[i] + (1.0 - beta1) * g;
        out.v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
        let direction = (out.m[i] / correction1) / ((out.v[i] / correction2).sqrt() + eps);
        out.param[i] = param[i] - lr * (direction + weight_decay * param[i]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::assert_close;

    const HYPER: Hyper = Hyper { lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

    /// With bias correction, the moments of a constant gradient are exact from the first step on.
    #[test]
    fn a_constant_gradient_moves_by_the_learning_rate() {
        let hyper = Hyper { weight_decay: 0.0, ..HYPER };
        let (grad, start) = ([2.0, -0.5, 1e-8], [1.0, 2.0, 3.0]);
        let mut state = Update { param: start.to_vec(), m: vec![0.0; 3], v: vec![0.0; 3] };
        for count in 1..=20 {
            state = step(&hyper, count, 1.0, &state.param, &grad, &state.m, &state.v);
            let moved: Vec<_> = state.param.iter().zip(start).map(|(p, s)| p - s).collect();
            let expected: Vec<_> = grad.iter().map(|g| -0.01 * f64::from(count) * g / (g.abs() + 1e-8)).collect();
            assert_close("moved", &moved, &expected, 1e-12);
        }
    }

    #[test]
    fn the_decay_is_decoupled_from_the_gradient() {
        let out = step(&HYPER, 5, 1.0, &[2.0, -4.0], &[0.0; 2], &[0.0; 2], &[0.0; 2]);
        assert_close("param", &out.param, &[2.0 * 0.999, -4.0 * 0.999], 1e-15);
        assert_eq!((out.m, out.v), (vec![0.0; 2], vec![0.0; 2]));
    }

    #[test]
    fn one_step_by_hand() {
        // m = 0.9 0.1 + 0.1 0.5, v = 0.95 0.04 + 0.05 0.25, with the gradient 1 clipped to 0.5; step 2.
        let out = step(&HYPER, 2, 0.5, &[1.0], &[1.0], &[0.1], &[0.04]);
        assert_close("m", &out.m, &[0.14], 1e-15);
        assert_close("v", &out.v, &[0.0505], 1e-15);
        let direction = (0.14 / 0.19) / ((0.0505_f64 / 0.0975).sqrt() + 1e-8);
        assert_close("param", &out.param, &[1.0 - 0.01 * (direction + 0.1)], 1e-15);
    }
}
