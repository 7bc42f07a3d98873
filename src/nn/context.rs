//! Context that layers share while they add themselves to a program.

use crate::error::Result;
use crate::gpu::{Buffer, Plane};
use crate::nn::Parameters;
use crate::ops::Builder;
use crate::ops::nn::dropout;

/// One pass over a model, forward or backward.
pub struct Pass<'a> {
    /// Collects the program.
    pub b: &'a mut Builder,
    /// The model's parameters.
    pub parameters: &'a Parameters,
    /// Sequences, B.
    pub batch: u32,
    /// Length of a sequence, T.
    pub length: u32,
    /// Whether layers save values for a backward pass.
    pub keep: bool,
    /// Whether to add to parameter gradients instead of overwriting them.
    pub accumulate: bool,
    /// Dropout; none outside training.
    pub dropout: Option<Dropout<'a>>,
}

/// Rate of dropout, and source of its randomness.
#[derive(Clone, Copy)]
pub struct Dropout<'a> {
    /// The probability that an element is dropped.
    pub rate: f32,
    /// The training state, which holds step and seed.
    pub state: &'a Buffer,
    /// First dropout site of this micro-batch; a layer adds its own number.
    pub first_site: u32,
}

impl Pass<'_> {
    /// Rows of an activation, B T.
    pub fn rows(&self) -> u32 {
        self.batch * self.length
    }

    /// A plane of B T rows.
    pub(crate) fn plane(&mut self, label: &str, cols: u32) -> Result<Plane> {
        let rows = self.rows();
        self.b.plane(label, rows, cols)
    }

    /// Returns `saved` if a backward pass follows; else drops it, so that later operations reuse its memory.
    pub(crate) fn save<S>(&self, saved: S) -> Option<S> {
        self.keep.then_some(saved)
    }

    /// x + residual.
    pub(crate) fn add(&mut self, x: &Plane, residual: Option<&Plane>) -> Result<Plane> {
        let y = self.plane("sum", x.cols)?;
        dropout::forward(self.b, &dropout::Dropout { x, residual, state: None, site: 0, rate: 0.0, y: &y })?;
        Ok(y)
    }

    /// Dropout of x at a site of the model, plus `residual`; none if the pass has no dropout.
    pub(crate) fn drop(&mut self, x: &Plane, residual: Option<&Plane>, site: u32) -> Result<Option<Plane>> {
        let Some(Dropout { rate, state, first_site }) = self.dropout else { return Ok(None) };
        let y = self.plane("dropped", x.cols)?;
        let args = dropout::Dropout { x, residual, state: Some(state), site: first_site + site, rate, y: &y };
        dropout::forward(self.b, &args)?;
        Ok(Some(y))
    }

    /// x + dropout(branch). Without dropout, the branch itself adds the residual.
    pub(crate) fn branch<S>(
        &mut self,
        x: &Plane,
        site: u32,
        branch: impl FnOnce(&mut Self, Option<&Plane>) -> Result<(Plane, S)>,
    ) -> Result<(Plane, S)> {
        let fused = self.dropout.is_none().then_some(x);
        let (out, saved) = branch(self, fused)?;
        let dropped = self.drop(&out, Some(x), site)?;
        Ok((dropped.unwrap_or(out), saved))
    }

    /// Gradient of a branch's input, from `dy`, the gradient of the branch's output after dropout.
    pub(crate) fn branch_gradient(
        &mut self,
        dy: &Plane,
        site: u32,
        branch: impl FnOnce(&mut Self, &Plane) -> Result<Plane>,
    ) -> Result<Plane> {
        let dropped = self.drop(dy, None, site)?;
        branch(self, dropped.as_ref().unwrap_or(dy))
    }
}
