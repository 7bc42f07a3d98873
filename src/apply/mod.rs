//! Applies one AFT layer of any form to host data, on a device and by the reference, to compare the two or another framework.
//!
//! Example: an AFT-local layer whose tensors are in a file:
//!
//! ```no_run
//! use aft_wgpu::apply::Request;
//! use aft_wgpu::form::Form;
//! use aft_wgpu::gpu::{Gpu, GpuOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = Request { variant: Form::Local, causal: true, window: Some(32), grid: None, gated: true };
//! let input = request.read(&std::fs::read("in.safetensors")?)?;
//! let gpu = Gpu::request_blocking(&GpuOptions::default())?;
//! let outcome = pollster::block_on(input.problem.run(&gpu, input.problem.placement(&gpu)))?;
//! std::fs::write("out.safetensors", input.answer(&outcome)?)?;
//! # Ok(())
//! # }
//! ```

mod answer;
pub(crate) mod bias;
mod device;
mod plain;
mod request;
mod stream;
mod tensors;
pub(crate) mod truth;

pub use request::{Input, Request};

use crate::error::{Error, Result, expect_count};
use crate::form::{Bias, SizedForm};
use crate::reference::Dims;

/// Maximum number of rows, channels or taps, so that the columns of four planes side by side fit into 32 bits.
const LARGEST: usize = 1 << 28;

/// A layer and its inputs, row-major.
#[derive(Debug, Clone)]
pub struct Problem {
    /// B, T, D.
    pub dims: Dims,
    /// Heads H of AFT-conv, a divisor of D. Other forms have one.
    pub heads: usize,
    /// The form and its sizes.
    pub form: SizedForm,
    /// Whether row t reads only keys t' <= t.
    pub causal: bool,
    /// Whether the output is gated by sigmoid(q).
    pub gated: bool,
    /// Queries [B, T, D].
    pub q: Vec<f32>,
    /// Keys [B, T, D]; of AFT-conv [B, T, H].
    pub k: Vec<f32>,
    /// Values [B, T, D].
    pub v: Vec<f32>,
    /// The biases, or the kernel [H, S] or [H, S, S] of AFT-conv; or both factors. Unused parts are empty.
    pub w: [Vec<f32>; 2],
    /// Mask [B, T]: true where there is a key.
    pub mask: Option<Vec<bool>>,
    /// The gradient of y [B, T, D], if gradients are wanted.
    pub dy: Option<Vec<f32>>,
}

/// Outputs of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<T> {
    /// Output [B, T, D].
    pub y: Vec<T>,
    /// Gradients, if dy was given.
    pub gradients: Option<Gradients<T>>,
}

/// Gradients, each in the shape of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients<T> {
    /// Gradient of the queries.
    pub dq: Vec<T>,
    /// Gradient of the keys.
    pub dk: Vec<T>,
    /// Gradient of the values.
    pub dv: Vec<T>,
    /// Gradient of the biases, summed over B; 0 for biases that are not read.
    pub dw: [Vec<T>; 2],
}

impl Problem {
    /// The shape [B, T, D or H] of the keys.
    pub fn key_dims(&self) -> Dims {
        if self.form.is_conv() { Dims { d: self.heads, ..self.dims } } else { self.dims }
    }

    /// Rows and columns of both parts of the biases.
    pub fn bias_shapes(&self) -> [[usize; 2]; 2] {
        self.form.bias_shapes(self.dims.t, self.heads, self.causal)
    }

    /// Fails if a size exceeds what kernels can count.
    fn check_range(&self) -> Result<()> {
        let Dims { b, t, d } = self.dims;
        let reach = self.form.window().unwrap_or(0);
        let sizes = [("B T", b.saturating_mul(t)), ("D", d), ("a window or the size of a kernel", reach)];
        match sizes.into_iter().find(|&(_, size)| size > LARGEST) {
            None => Ok(()),
            Some((what, size)) => Err(Error::LimitExceeded {
                what: what.into(),
                limit: "sizes that kernels count with",
                needed: size as u64,
                granted: LARGEST as u64,
                advice: "a smaller layer".into(),
            }),
        }
    }

    /// Fails unless every tensor has the right shape and the sizes are valid.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Config`], [`Error::LimitExceeded`].
    pub fn check(&self) -> Result<()> {
        let Dims { b, t, d } = self.dims;
        if b == 0 || t == 0 || d == 0 {
            return Err(Error::Config(format!("B, T and D of a layer are at least 1, not {b}, {t} and {d}")));
        }
        self.check_range()?;
        if self.heads == 0 || !d.is_multiple_of(self.heads) {
            return Err(Error::Config(format!("H = {} heads do not divide D = {d} channels", self.heads)));
        }
        match self.form {
            SizedForm::Full(Bias::Factors(0)) | SizedForm::Local(_, Bias::Factors(0)) => {
                return Err(Error::Config("the rank R of the factors is at least 1, not 0".into()));
            }
            SizedForm::Conv1d(0) | SizedForm::Conv2d(0, _) => {
                return Err(Error::Config("the size S of a kernel is at least 1, not 0".into()));
            }
            SizedForm::Conv1d(s) if !self.causal && s.is_multiple_of(2) => {
                return Err(Error::Config(format!("a kernel that is not causal has an odd size, not {s}")));
            }
            SizedForm::Conv2d(s, _) if s.is_multiple_of(2) => {
                return Err(Error::Config(format!("a kernel on a grid has an odd size, not {s}")));
            }
            SizedForm::Conv2d(_, columns) if columns == 0 || !t.is_multiple_of(columns) => {
                return Err(Error::Config(format!(
                    "T = {t} positions do not fill whole rows of a grid of {columns} columns"
                )));
            }
            _ => {}
        }
        expect_count("q", "numbers", self.dims.size(), self.q.len())?;
        expect_count("k", "numbers", self.key_dims().size(), self.k.len())?;
        expect_count("v", "numbers", self.dims.size(), self.v.len())?;
        for (shape, w) in self.bias_shapes().iter().zip(&self.w) {
            expect_count("w", "numbers", shape[0].saturating_mul(shape[1]), w.len())?;
        }
        if let Some(mask) = &self.mask {
            expect_count("mask", "numbers", b * t, mask.len())?;
        }
        if let Some(dy) = &self.dy {
            expect_count("dy", "numbers", self.dims.size(), dy.len())?;
        }
        Ok(())
    }
}
