//! The two-layer perceptron (MLP) of a block: gelu(x W1 + b1) W2 + b2.

use crate::error::Result;
use crate::gpu::Plane;
use crate::nn::{Declarations, Linear, Pass};

/// A linear layer to `ratio` times the width, GELU, and a linear layer back.
#[derive(Debug)]
pub struct Mlp {
    up: Linear,
    down: Linear,
}

/// Values saved for the backward pass.
#[derive(Debug)]
pub struct Saved {
    x: Plane,
    pre: Plane,
    hidden: Plane,
}

impl Mlp {
    /// Declares `name.up` and `name.down`; `std` and `std_out` are their initial standard deviations.
    pub fn declare(to: &mut Declarations, name: &str, dim: u32, ratio: u32, std: f32, std_out: f32) -> Self {
        let up = Linear::declare(to, &format!("{name}.up"), dim, ratio * dim, std);
        let down = Linear::declare(to, &format!("{name}.down"), ratio * dim, dim, std_out);
        Self { up, down }
    }

    /// The perceptron's output [B T, D] for x [B T, D], plus `residual`. Consumes x.
    ///
    /// # Errors
    /// As [`crate::ops::nn::linear::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: Plane, residual: Option<&Plane>) -> Result<(Plane, Option<Saved>)> {
        let (hidden, pre) = self.up.forward_gelu(pass, &x)?;
        let y = self.down.forward(pass, &hidden, residual)?;
        Ok((y, pass.save(Saved { x, pre, hidden })))
    }

    /// Returns dx [B T, D] for dy [B T, D].
    ///
    /// # Errors
    /// As [`crate::ops::nn::linear::backward`].
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: &Plane) -> Result<Plane> {
        let Saved { x, pre, hidden } = saved;
        let dpre = self.down.backward(pass, &hidden, dy, Some(&pre))?;
        self.up.backward(pass, &x, &dpre, None)
    }
}
