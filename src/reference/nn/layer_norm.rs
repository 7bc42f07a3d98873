//! Layer normalisation (Ba, Kiros and Hinton, 2016, arXiv 1607.06450), over the last axis.
//!
//! ```text
//! y = gamma n + beta,  n = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps), variance divided by D
//! dx = rstd (h - mean(h) - n mean(h n)),  h = gamma dy
//! dgamma = sum of dy n, dbeta = sum of dy, over the rows
//! ```

/// The normalised rows and their statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `[rows, D]`.
    pub y: Vec<f64>,
    /// The mean of each row `[rows]`.
    pub mean: Vec<f64>,
    /// 1 / sqrt(variance + eps) of each row `[rows]`.
    pub rstd: Vec<f64>,
}

/// Gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the input `[rows, D]`.
    pub dx: Vec<f64>,
    /// Of the scale `[D]`.
    pub dgamma: Vec<f64>,
    /// Of the shift `[D]`.
    pub dbeta: Vec<f64>,
}

/// Normalises `x` `[rows, D]`; `gamma` and `beta` are `[D]`.
pub fn forward(rows: usize, d: usize, eps: f64, x: &[f64], gamma: &[f64], beta: &[f64]) -> Forward {
    debug_assert_eq!(x.len(), rows * d);
    debug_assert_eq!((gamma.len(), beta.len()), (d, d));
    let mut out = Forward { y: vec![0.0; rows * d], mean: vec![0.0; rows], rstd: vec![0.0; rows] };
    for row in 0..rows {
        let x = &x[row * d..(row + 1) * d];
        let (mean, rstd) = statistics(eps, x);
        for c in 0..d {
            out.y[row * d + c] = gamma[c] * (x[c] - mean) * rstd + beta[c];
        }
        (out.mean[row], out.rstd[row]) = (mean, rstd);
    }
    out
}

/// The gradient of [`forward`] for `dy` `[rows, D]`.
pub fn gradient(rows: usize, d: usize, eps: f64, x: &[f64], gamma: &[f64], dy: &[f64]) -> Gradient {
    debug_assert_eq!((x.len(), dy.len()), (rows * d, rows * d));
    debug_assert_eq!(gamma.len(), d);
    let mut out = Gradient { dx: vec![0.0; rows * d], dgamma: vec![0.0; d], dbeta: vec![0.0; d] };
    for row in 0..rows {
        let (x, dy) = (&x[row * d..(row + 1) * d], &dy[row * d..(row + 1) * d]);
        let (mean, rstd) = statistics(eps, x);
        let n = |c: usize| (x[c] - mean) * rstd;
        let h = |c: usize| gamma[c] * dy[c];
        let mean_h = (0..d).map(h).sum::<f64>() / d as f64;
        let mean_hn = (0..d).map(|c| h(c) * n(c)).sum::<f64>() / d as f64;
        for (c, dy) in dy.iter().enumerate() {
            out.dx[row * d + c] = rstd * (h(c) - mean_h - n(c) * mean_hn);
            out.dgamma[c] += dy * n(c);
            out.dbeta[c] += dy;
        }
    }
    out
}

/// The mean of a row, and 1 / sqrt(variance + eps), in two passes.
fn statistics(eps: f64, x: &[f64]) -> (f64, f64) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
    (mean, 1.0 / (variance + eps).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_close, assert_gradient, dot, normal};

    #[test]
    fn a_row_is_centred_and_scaled() {
        let out = forward(1, 2, 0.0, &[1e6 - 3.0, 1e6 + 3.0], &[2.0, 2.0], &[0.5, 0.5]);
        assert_eq!((out.mean[0], out.rstd[0]), (1e6, 1.0 / 3.0));
        assert_close("y", &out.y, &[-1.5, 2.5], 1e-15);
        assert_eq!(forward(1, 3, 1e-5, &[7.0; 3], &[1.0; 3], &[0.25; 3]).y, [0.25; 3], "a constant row");
    }

    #[test]
    fn gradients_are_the_central_differences() {
        for (rows, d, eps) in [(5, 7, 1e-5), (1, 3, 0.5), (4, 2, 0.1)] {
            let (x, dy) = (normal(1, rows * d), normal(2, rows * d));
            let (gamma, beta) = (normal(3, d), normal(4, d));
            let loss = |x: &[f64], g: &[f64], b: &[f64]| dot(&forward(rows, d, eps, x, g, b).y, &dy);
            let grad = gradient(rows, d, eps, &x, &gamma, &dy);
            assert_gradient("dx", &grad.dx, &x, |x| loss(x, &gamma, &beta));
            assert_gradient("dgamma", &grad.dgamma, &gamma, |gamma| loss(&x, gamma, &beta));
            assert_gradient("dbeta", &grad.dbeta, &beta, |beta| loss(&x, &gamma, beta));
        }
    }
}
