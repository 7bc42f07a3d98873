//! Layer normalisation with its parameters.

use crate::error::Result;
use crate::gpu::{Buffer, Plane};
use crate::nn::{Declarations, Init, ParameterId, Pass, Spec};
use crate::ops::nn::layer_norm::{self, Backward, Forward};

/// A layer normalisation with gamma and beta `[D]`.
#[derive(Debug)]
pub struct LayerNorm {
    gamma: ParameterId,
    beta: ParameterId,
    eps: f32,
}

/// Values saved for the backward pass.
#[derive(Debug)]
pub struct Saved {
    x: Plane,
    stats: Buffer,
}

impl LayerNorm {
    /// Declares `name.weight` (ones) and `name.bias` (zeros).
    pub fn declare(to: &mut Declarations, name: &str, dim: u32, eps: f32) -> Self {
        let vector = |part, init| Spec { name: format!("{name}.{part}"), rows: 1, cols: dim, decay: false, init };
        let [gamma, beta] = to.together([vector("weight", Init::Ones), vector("bias", Init::Zeros)]);
        Self { gamma, beta, eps }
    }

    /// Normalises x [B T, D] to y [B T, D].
    ///
    /// # Errors
    /// As [`layer_norm::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Plane) -> Result<(Plane, Option<Saved>)> {
        let y = pass.plane("normalised", x.cols)?;
        let stats = pass.b.scratch("statistics", layer_norm::stats_bytes(x.rows))?;
        let (gamma, beta) = (pass.parameters.weights(self.gamma), pass.parameters.weights(self.beta));
        let args = Forward { x, gamma: &gamma, beta: &beta, eps: self.eps, y: &y, stats: &stats };
        layer_norm::forward(pass.b, &args)?;
        Ok((y, pass.save(Saved { x: x.clone(), stats })))
    }

    /// Returns dx [B T, D] for dy, plus `skip`, the gradient of x from a skip connection. Consumes dy and skip.
    ///
    /// # Errors
    /// As [`layer_norm::backward`].
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: Plane, skip: Option<Plane>) -> Result<Plane> {
        let Saved { x, stats } = saved;
        let dx = pass.plane("gradient", x.cols)?;
        let gamma = pass.parameters.weights(self.gamma);
        let affine = pass.parameters.gradient(self.gamma, Some(self.beta), pass.accumulate)?;
        let (skip_ref, dy_ref) = (skip.as_ref(), &dy);
        let args =
            Backward { x: &x, dy: dy_ref, skip: skip_ref, gamma: &gamma, stats: &stats, dx: &dx, affine: &affine };
        layer_norm::backward(pass.b, &args)?;
        Ok(dx)
    }
}
