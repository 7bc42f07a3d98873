//! A linear layer with an optional bias, activation and residual.
//!
//! ```text
//! pre = x W + bias,  y = act(pre) + residual
//! dpre = dy act'(pre),  dx = dpre W^T,  dw = x^T dpre,  db = sum of dpre over the rows
//! ```
//!
//! The gradient of the residual is dy itself. GELU is the exact form of Hendrycks and Gimpel, 2016
//! (arXiv 1606.08415): x P(x), with P(x) = (1 + erf(x / sqrt 2)) / 2 the standard normal distribution function.
use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// The shape of a product `[M, K]` by `[K, N]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Rows of the input, M.
    pub m: usize,
    /// Channels of the input, K.
    pub k: usize,
    /// Channels of the output, N.
    pub n: usize,
}

/// Activation applied to the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// [`gelu`].
    Gelu,
}

/// The output, and the value that the gradient needs; both `[M, N]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// act(pre) + residual.
    pub y: Vec<f64>,
    /// x W + bias, before the activation.
    pub pre: Vec<f64>,
}

/// Gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the input `[M, K]`.
    pub dx: Vec<f64>,
    /// Of the weight `[K, N]`.
    pub dw: Vec<f64>,
    /// Of the bias `[N]`.
    pub db: Vec<f64>,
    /// Of the sum before the activation `[M, N]`.
    pub dpre: Vec<f64>,
}

/// Applies the layer to `x` `[M, K]`; `w` is `[K, N]`, `bias` `[N]`, `residual` `[M, N]`.
pub fn forward(
    dims: Dims,
    activation: Activation,
    x: &[f64],
    w: &[f64],
    bias: Option<&[f64]>,
    residual: Option<&[f64]>,
) -> Forward {
    let Dims { m, k, n } = dims;
    debug_assert_eq!((x.len(), w.len()), (m * k, k * n));
    let mut out = Forward { y: vec![0.0; m * n], pre: vec![0.0; m * n] };
    for row in 0..m {
        for col in 0..n {
            let i = row * n + col;
            let product: f64 = (0..k).map(|c| x[row * k + c] * w[c * n + col]).sum();
            out.pre[i] = product + bias.map_or(0.0, |bias| bias[col]);
            let activated = match activation {
                Activation::None => out.pre[i],
                Activation::Gelu => gelu(out.pre[i]),
            };
            out.y[i] = activated + residual.map_or(0.0, |residual| residual[i]);
        }
    }
    out
}

/// The gradient of [`forward`] for `dy` `[M, N]`; `pre` `[M, N]` is the one it returned.
pub fn gradient(dims: Dims, activation: Activation, x: &[f64], w: &[f64], pre: &[f64], dy: &[f64]) -> Gradient {
    let Dims { m, k, n } = dims;
    debug_assert_eq!((x.len(), w.len()), (m * k, k * n));
    debug_assert_eq!((pre.len(), dy.len()), (m * n, m * n));
    let mut out = Gradient { dx: vec![0.0; m * k], dw: vec![0.0; k * n], db: vec![0.0; n], dpre: vec![0.0; m * n] };
    for row in 0..m {
        for col in 0..n {
            let i = row * n + col;
            let dpre = match activation {
                Activation::None => dy[i],
                Activation::Gelu => dy[i] * gelu_derivative(pre[i]),
            };
            out.dpre[i] = dpre;
            out.db[col] += dpre;
            for c in 0..k {
                out.dx[row * k + c] += dpre * w[c * n + col];
                out.dw[c * n + col] += dpre * x[row * k + c];
            }
        }
    }
    out
}

/// x P(x), with P the standard normal distribution function.
pub fn gelu(x: f64) -> f64 {
    x * normal_cdf(x)
}

/// P(x) + x p(x), with P the standard normal distribution function and p its density.
pub fn gelu_derivative(x: f64) -> f64 {
    normal_cdf(x) + x * (-0.5 * x * x).exp() / TAU.sqrt()
}

/// The standard normal distribution function, by erfc to avoid cancellation in the lower tail.
fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_close, assert_gradient, dot, normal};

    #[test]
    fn the_weight_lies_in_rows_of_outputs() {
        let dims = Dims { m: 1, k: 2, n: 3 };
        let w = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
        let out = forward(dims, Activation::None, &[1.0, 2.0], &w, Some(&[0.5; 3]), Some(&[100.0, 0.0, 0.0]));
        assert_eq!(out.pre, [21.5, 42.5, 63.5]);
        assert_eq!(out.y, [121.5, 42.5, 63.5]);
    }

    #[test]
    fn gelu_at_known_points() {
        // P(1) = 0.841344746068542948..., P(-10) = 7.61985302416052606e-24 (tables of the normal distribution).
        assert_eq!(gelu(0.0), 0.0);
        assert!((gelu(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
        assert!((gelu(-10.0) / -7.619_853_024_160_526e-23 - 1.0).abs() < 1e-14);
        assert_eq!((gelu(1e4), gelu(-1e4)), (1e4, 0.0));
        assert_eq!((gelu_derivative(1e4), gelu_derivative(-1e4), gelu_derivative(0.0)), (1.0, 0.0, 0.5));
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let dims = Dims { m: 5, k: 3, n: 7 };
        let (x, w, b) = (normal(1, 15), normal(2, 21), normal(3, 7));
        let (residual, dy) = (normal(4, 35), normal(5, 35));
        for activation in [Activation::None, Activation::Gelu] {
            let run = |x: &[f64], w: &[f64], b: &[f64]| forward(dims, activation, x, w, Some(b), Some(&residual));
            let loss = |x: &[f64], w: &[f64], b: &[f64]| dot(&run(x, w, b).y, &dy);
            let grad = gradient(dims, activation, &x, &w, &run(&x, &w, &b).pre, &dy);
            assert_gradient("dx", &grad.dx, &x, |x| loss(x, &w, &b));
            assert_gradient("dw", &grad.dw, &w, |w| loss(&x, w, &b));
            assert_gradient("db", &grad.db, &b, |b| loss(&x, &w, b));
            let sums: Vec<_> = (0..7).map(|col| (0..5).map(|row| grad.dpre[row * 7 + col]).sum()).collect();
            assert_close("sum of dpre", &sums, &grad.db, 1e-15);
        }
    }
}
