//! Multi-head softmax attention with the projections of an AFT layer ([`super::Aft`]), to compare with.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Plane};
use crate::nn::{AftConfig, Declarations, Linear, Pass};
use crate::ops::Builder;
use crate::ops::aft::qkv_cols;
use crate::ops::nn::attention::{self, Attended, Backward};
use crate::ops::nn::attention_stream::{self, cache_bytes};

/// An attention layer with its parameters, the same as AFT-simple has.
#[derive(Debug)]
pub struct Attention {
    input: Linear,
    projection: Option<Linear>,
    config: AftConfig,
}

/// Values saved for the backward pass.
#[derive(Debug)]
pub struct Saved {
    x: Plane,
    qkv: Plane,
    out: Attended,
}

impl Attention {
    /// Declares `name.qkv` and, by configuration, `name.out`.
    ///
    /// # Errors
    /// [`Error::Config`] if the channels of a head are not a multiple of 4.
    pub fn declare(to: &mut Declarations, name: &str, config: AftConfig) -> Result<Self> {
        let AftConfig { dim, heads, projection, std, std_out, .. } = config;
        if dim == 0 || heads == 0 || !dim.is_multiple_of(4 * heads) {
            let text =
                format!("attention needs a multiple of 4 channels in each head, not {dim} channels in {heads} heads");
            return Err(Error::Config(text));
        }
        let input = Linear::declare(to, &format!("{name}.qkv"), dim, qkv_cols(dim), std);
        let projection = projection.then(|| Linear::declare(to, &format!("{name}.out"), dim, dim, std_out));
        Ok(Self { input, projection, config })
    }

    fn attention(&self, pass: &Pass<'_>) -> attention::Attention<'static> {
        let AftConfig { dim: channels, heads, .. } = self.config;
        let (batch, time) = (pass.batch, pass.length);
        attention::Attention { batch, time, channels, heads, causal: true, mask: None }
    }

    fn project(&self, pass: &mut Pass<'_>, mixed: &Plane, residual: Option<&Plane>) -> Result<Plane> {
        match &self.projection {
            Some(projection) => projection.forward(pass, mixed, residual),
            None => pass.add(mixed, residual),
        }
    }

    /// The layer's output [B T, D] for x [B T, D], plus `residual`. Consumes x.
    ///
    /// # Errors
    /// As [`attention::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: Plane, residual: Option<&Plane>) -> Result<(Plane, Option<Saved>)> {
        let qkv = self.input.forward(pass, &x, None)?;
        let attention = self.attention(pass);
        let out = Attended::new(pass.b, &attention)?;
        attention::forward(pass.b, &attention, &qkv, &out)?;
        let y = self.project(pass, &out.y, residual)?;
        Ok((y, pass.save(Saved { x, qkv, out })))
    }

    /// Returns dx [B T, D] for dy [B T, D].
    ///
    /// # Errors
    /// As [`attention::backward`].
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: &Plane) -> Result<Plane> {
        let projected = match &self.projection {
            Some(projection) => Some(projection.backward(pass, &saved.out.y, dy, None)?),
            None => None,
        };
        let dqkv = pass.plane("gradient", saved.qkv.cols)?;
        let dy = projected.as_ref().unwrap_or(dy);
        let args = Backward { qkv: &saved.qkv, out: &saved.out, dy, dqkv: &dqkv };
        attention::backward(pass.b, &self.attention(pass), &args)?;
        self.input.backward(pass, &saved.x, &dqkv, None)
    }

    /// Creates the layer's streaming state for `sequences` sequences: keys and values of all positions.
    ///
    /// # Errors
    /// As [`crate::gpu::Gpu::storage`].
    pub fn open(&self, b: &mut Builder, sequences: u32) -> Result<Buffer> {
        b.gpu.storage("stream keys and values", cache_bytes(sequences, self.config.length, self.config.dim))
    }

    /// The layer's output [N C, D] for the next tokens of a stream, x [N C, D], plus `residual`. Consumes x.
    ///
    /// # Errors
    /// As [`attention_stream::forward`].
    pub fn stream(
        &self,
        pass: &mut Pass<'_>,
        x: Plane,
        residual: Option<&Plane>,
        cache: &Buffer,
        cursor: &Buffer,
    ) -> Result<Plane> {
        let AftConfig { dim, heads, length: time, .. } = self.config;
        let qkv = self.input.forward(pass, &x, None)?;
        let y = pass.plane("attention y", dim)?;
        let (sequences, chunk) = (pass.batch, pass.length);
        let args = attention_stream::Forward { sequences, chunk, time, heads, qkv: &qkv, cursor, cache, y: &y };
        attention_stream::forward(pass.b, &args)?;
        self.project(pass, &y, residual)
    }
}
