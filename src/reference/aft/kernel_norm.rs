//! The normalised kernel of AFT-conv (Eq. 8), per head.
//!
//! ```text
//! n = (raw - mean(raw)) / std(raw),  w = gamma n + beta
//! dgamma = sum of dw n,  dbeta = sum of dw
//! draw = gamma / std(raw) * (dw - mean(dw) - n mean(dw n))
//! ```
//!
//! Mean and population standard deviation are over the taps of a head. The paper states neither this nor an epsilon;
//! none is added. If all taps are equal, as a single tap is, n and draw are 0.

/// Gradients of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the raw kernel `[H, taps]`.
    pub draw: Vec<f64>,
    /// Of gamma `[H]`.
    pub dgamma: Vec<f64>,
    /// Of beta `[H]`.
    pub dbeta: Vec<f64>,
}

/// The kernel w `[H, taps]` from `raw` `[H, taps]` and `gamma`, `beta` `[H]`; the taps are s or s * s.
pub fn forward(raw: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    debug_assert_eq!(gamma.len(), beta.len());
    let heads = raw.chunks(taps(raw, gamma)).zip(gamma.iter().zip(beta));
    heads.flat_map(|(raw, (gamma, beta))| Normal::of(raw).n.into_iter().map(move |n| gamma * n + beta)).collect()
}

/// The gradient of [`forward`] for `dw` `[H, taps]`.
pub fn gradient(raw: &[f64], gamma: &[f64], dw: &[f64]) -> Gradient {
    debug_assert_eq!(raw.len(), dw.len());
    let mut out = Gradient { draw: Vec::new(), dgamma: Vec::new(), dbeta: Vec::new() };
    let taps = taps(raw, gamma);
    for ((raw, dw), gamma) in raw.chunks(taps).zip(dw.chunks(taps)).zip(gamma) {
        let Normal { n, std } = Normal::of(raw);
        let dw_n: f64 = dw.iter().zip(&n).map(|(dw, n)| dw * n).sum();
        let (mean, mean_n) = (mean(dw), dw_n / taps as f64);
        let slope = if std > 0.0 { gamma / std } else { 0.0 };
        out.draw.extend(dw.iter().zip(&n).map(|(dw, n)| slope * (dw - mean - n * mean_n)));
        out.dgamma.push(dw_n);
        out.dbeta.push(dw.iter().sum());
    }
    out
}

/// A kernel normalised to mean 0 and deviation 1, and its original deviation.
struct Normal {
    n: Vec<f64>,
    std: f64,
}

impl Normal {
    fn of(raw: &[f64]) -> Self {
        // Equal taps are tested explicitly: with a rounded mean their deviation may differ from 0.
        if raw.iter().all(|tap| *tap == raw[0]) {
            return Self { n: vec![0.0; raw.len()], std: 0.0 };
        }
        let mean = mean(raw);
        let centred: Vec<f64> = raw.iter().map(|tap| tap - mean).collect();
        let std = (centred.iter().map(|c| c * c).sum::<f64>() / raw.len() as f64).sqrt();
        Self { n: centred.iter().map(|c| c / std).collect(), std }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Taps of a head; at least 1, because chunks must not be empty.
fn taps(raw: &[f64], gamma: &[f64]) -> usize {
    debug_assert_eq!(raw.len() % gamma.len(), 0);
    (raw.len() / gamma.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_gradient, dot, normal};

    #[test]
    fn gradients_are_the_central_differences() {
        for (heads, taps) in [(3, 2), (2, 9), (1, 25)] {
            let (raw, dw) = (normal(1, heads * taps), normal(2, heads * taps));
            let (gamma, beta) = (normal(3, heads), normal(4, heads));
            let loss = |raw: &[f64], gamma: &[f64], beta: &[f64]| dot(&forward(raw, gamma, beta), &dw);
            let grad = gradient(&raw, &gamma, &dw);
            if taps > 2 {
                assert_gradient("draw", &grad.draw, &raw, |raw| loss(raw, &gamma, &beta));
            } else {
                // Two taps always normalise to -1 and 1.
                assert!(grad.draw.iter().all(|draw| draw.abs() < 1e-14), "{:?}", grad.draw);
            }
            assert_gradient("dgamma", &grad.dgamma, &gamma, |gamma| loss(&raw, gamma, &beta));
            assert_gradient("dbeta", &grad.dbeta, &beta, |beta| loss(&raw, &gamma, beta));
        }
    }

    #[test]
    fn equal_taps_are_beta_and_get_no_gradient() {
        for taps in [1, 7] {
            let (raw, dw) = (vec![0.1; 2 * taps], normal(2, 2 * taps));
            let expected: Vec<_> = [5.0, 6.0].into_iter().flat_map(|beta| vec![beta; taps]).collect();
            assert_eq!(forward(&raw, &[2.0, 3.0], &[5.0, 6.0]), expected);
            let grad = gradient(&raw, &[2.0, 3.0], &dw);
            assert_eq!((grad.draw, grad.dgamma), (vec![0.0; 2 * taps], vec![0.0; 2]));
            assert_eq!(grad.dbeta, [dw[..taps].iter().sum::<f64>(), dw[taps..].iter().sum()]);
        }
    }

    #[test]
    fn a_scale_and_an_offset_of_the_raw_kernel_change_nothing() {
        let raw = normal(1, 9);
        let moved: Vec<_> = raw.iter().map(|tap| 1024.0 * tap + 7.0).collect();
        let (here, there) = (forward(&raw, &[1.5], &[0.2]), forward(&moved, &[1.5], &[0.2]));
        assert!(here.iter().zip(there).all(|(a, b)| (a - b).abs() < 1e-13));
    }
}
