//! Cross-entropy of a softmax over the vocabulary, in nats.
//!
//! ```text
//! loss    = log(sum over c of e^(logits[c])) - logits[target]
//! dlogits = (softmax(logits) - onehot(target)) * scale
//! ```
//!
//! Exponents are relative to the largest logit.

/// Target of an ignored row: its loss and gradient are 0.
pub const IGNORED: u32 = u32::MAX;

/// The loss of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// In nats `[M]`.
    pub loss: Vec<f64>,
}

/// The gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the logits `[M, V]`.
    pub dlogits: Vec<f64>,
}

/// The loss of `logits` `[M, V]` for `targets` `[M]`, each below V or [`IGNORED`].
pub fn forward(m: usize, v: usize, logits: &[f64], targets: &[u32]) -> Forward {
    debug_assert_eq!((logits.len(), targets.len()), (m * v, m));
    let loss = |row: usize| match targets[row] {
        IGNORED => 0.0,
        target => {
            let logits = &logits[row * v..(row + 1) * v];
            log_sum_exp(logits) - logits[target as usize]
        }
    };
    Forward { loss: (0..m).map(loss).collect() }
}

/// The gradient of `scale` times the sum of the losses.
pub fn gradient(m: usize, v: usize, logits: &[f64], targets: &[u32], scale: f64) -> Gradient {
    debug_assert_eq!((logits.len(), targets.len()), (m * v, m));
    let mut dlogits = vec![0.0; m * v];
    for row in (0..m).filter(|&row| targets[row] != IGNORED) {
        let logits = &logits[row * v..(row + 1) * v];
        let total = log_sum_exp(logits);
        for (c, logit) in logits.iter().enumerate() {
            let onehot = if c == targets[row] as usize { 1.0 } else { 0.0 };
            dlogits[row * v + c] = ((logit - total).exp() - onehot) * scale;
        }
    }
    Gradient { dlogits }
}

/// The log-sum-exp of `x`.
fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + x.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_gradient, normal};

    #[test]
    fn equal_logits_cost_the_logarithm_of_their_number() {
        for offset in [0.0, 1e4, -1e4] {
            let loss = forward(1, 5, &[offset; 5], &[3]).loss[0];
            // An offset of 1e4 rounds the sum to 1e-12.
            assert!((loss - 5.0_f64.ln()).abs() < 2e-12);
        }
    }

    #[test]
    fn extreme_logits_are_exact() {
        assert_eq!(forward(2, 2, &[1e4, -1e4, 1e4, -1e4], &[0, 1]).loss, [0.0, 2e4]);
        assert_eq!(gradient(2, 2, &[1e4, -1e4, 1e4, -1e4], &[0, 1], 0.5).dlogits, [0.0, 0.0, 0.5, -0.5]);
    }

    #[test]
    fn the_gradient_is_the_central_difference_and_ignored_rows_have_none() {
        let (m, v, scale) = (5, 7, 0.3);
        let (logits, targets) = (normal(1, m * v), [6, 0, IGNORED, 3, 0]);
        let grad = gradient(m, v, &logits, &targets, scale).dlogits;
        assert_gradient("dlogits", &grad, &logits, |logits| {
            scale * forward(m, v, logits, &targets).loss.iter().sum::<f64>()
        });
        assert_eq!(forward(m, v, &logits, &targets).loss[2], 0.0);
        assert_eq!(grad[2 * v..3 * v], [0.0; 7]);
    }
}
