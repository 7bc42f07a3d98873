//! A linear layer with its parameters.

use crate::error::Result;
use crate::gpu::Plane;
use crate::nn::{Declarations, Init, ParameterId, Pass, Spec};
use crate::ops::nn::linear::{self, Backward, Forward};

/// A linear layer with weight [K, N] and bias `[N]`.
#[derive(Debug)]
pub struct Linear {
    weight: ParameterId,
    bias: ParameterId,
    outputs: u32,
}

impl Linear {
    /// Declares `name.weight` [inputs, outputs], normal with standard deviation `std`, and `name.bias` (zeros).
    pub fn declare(to: &mut Declarations, name: &str, inputs: u32, outputs: u32, std: f32) -> Self {
        let [weight, bias] = to.together([
            Spec { name: format!("{name}.weight"), rows: inputs, cols: outputs, decay: true, init: Init::Normal(std) },
            Spec { name: format!("{name}.bias"), rows: 1, cols: outputs, decay: false, init: Init::Zeros },
        ]);
        Self { weight, bias, outputs }
    }

    /// Returns x W + bias + residual [B T, N].
    ///
    /// # Errors
    /// As [`linear::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: &Plane, residual: Option<&Plane>) -> Result<Plane> {
        let y = pass.plane("linear", self.outputs)?;
        self.apply(pass, x, residual, &y, None)?;
        Ok(y)
    }

    /// Returns gelu(x W + bias) and the value before the GELU, both [B T, N].
    ///
    /// # Errors
    /// As [`linear::forward`].
    pub fn forward_gelu(&self, pass: &mut Pass<'_>, x: &Plane) -> Result<(Plane, Plane)> {
        let (y, pre) = (pass.plane("activated", self.outputs)?, pass.plane("before activation", self.outputs)?);
        self.apply(pass, x, None, &y, Some(&pre))?;
        Ok((y, pre))
    }

    fn apply(
        &self,
        pass: &mut Pass<'_>,
        x: &Plane,
        residual: Option<&Plane>,
        y: &Plane,
        pre: Option<&Plane>,
    ) -> Result<()> {
        let (w, bias) = (pass.parameters.weights(self.weight), pass.parameters.weights(self.bias));
        linear::forward(pass.b, &Forward { x, w: &w, bias: Some(&bias), residual, y, pre })
    }

    /// The gradient of x (of `pre`, if x = gelu(pre)). Adds the parameters' gradients, too.
    ///
    /// # Errors
    /// As [`linear::backward`].
    pub fn backward(&self, pass: &mut Pass<'_>, x: &Plane, dy: &Plane, pre: Option<&Plane>) -> Result<Plane> {
        let dx = pass.plane("gradient", x.cols)?;
        let w = pass.parameters.weights(self.weight);
        let parameters = pass.parameters.gradient(self.weight, Some(self.bias), pass.accumulate)?;
        let args = Backward { x, w: &w, dy, pre, skip: None, dx: Some(&dx), parameters: &parameters };
        linear::backward(pass.b, &args)?;
        Ok(dx)
    }
}
