//! The AFT layer: one projection to q, k and v, the operation, and an output projection.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Plane};
use crate::nn::{Declarations, Init, Linear, ParameterId, Parameters, Pass, Spec};
use crate::ops::Builder;
use crate::ops::aft::{Output, band, local, local_stream, qkv_cols, simple, simple_stream, stream};

/// Which AFT a layer computes; all are causal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// AFT-simple (Eq. 5): no position biases.
    Simple,
    /// AFT-local (Eq. 4) with factorised biases (Eq. 7).
    Local,
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Simple => "simple",
            Self::Local => "local",
        })
    }
}

/// Sizes of an AFT layer.
#[derive(Debug, Clone, Copy)]
pub struct AftConfig {
    /// Which AFT.
    pub variant: Variant,
    /// Channels D, a multiple of 4.
    pub dim: u32,
    /// Positions T.
    pub length: u32,
    /// Window s (local).
    pub window: u32,
    /// Rank R of the biases (local).
    pub rank: u32,
    /// Whether the output is projected; otherwise it is added to the residual as it is.
    pub projection: bool,
    /// Standard deviation of the q, k, v projection's start.
    pub std: f32,
    /// Standard deviation of the output projection's start.
    pub std_out: f32,
}

/// Standard deviation at which u and v start (paper, section 4.1: N(0, 10^-2), read as sd 0.1).
const FACTOR_STD: f32 = 0.1;

/// An AFT layer with its parameters.
#[derive(Debug)]
pub struct Aft {
    qkv: Linear,
    factors: Option<[ParameterId; 2]>,
    projection: Option<Linear>,
    config: AftConfig,
}

/// What the backward pass needs.
#[derive(Debug)]
pub struct Saved {
    x: Plane,
    qkv: Plane,
    band: Option<Plane>,
    out: Output,
}

/// What a stream of sequences keeps of an AFT layer on the device, whatever its length.
#[derive(Debug)]
pub struct AftStream {
    /// The sums over what was read, [N, 5, D4] vec4s.
    pub sums: Buffer,
    /// The window of AFT-local.
    pub window: Option<Window>,
}

/// What the window of an AFT-local layer needs in a stream.
#[derive(Debug)]
pub struct Window {
    /// The biases [T, ages].
    pub band: Plane,
    /// The last keys and values, [N, min(s, T), 2, D4] vec4s.
    pub ring: Buffer,
}

impl Aft {
    /// Declares `name.qkv` and, by configuration, `name.bias.u`, `name.bias.v` and `name.out`.
    ///
    /// # Errors
    /// [`Error::Config`] if the channels are not whole vec4s, or a local layer has no window or rank.
    pub fn declare(to: &mut Declarations, name: &str, config: AftConfig) -> Result<Self> {
        let AftConfig { variant, dim, length, window, rank, projection, std, std_out } = config;
        if dim == 0 || !dim.is_multiple_of(4) {
            return Err(Error::Config(format!("an AFT layer has a multiple of 4 channels, not {dim}")));
        }
        if variant == Variant::Local && (window == 0 || rank == 0) {
            return Err(Error::Config(
                "AFT-local needs a window and a rank of at least 1 (a window of 0 is AFT-simple)".into(),
            ));
        }
        let qkv = Linear::declare(to, &format!("{name}.qkv"), dim, qkv_cols(dim), std);
        let factor = |part| Spec {
            name: format!("{name}.bias.{part}"),
            rows: length,
            cols: rank,
            decay: false,
            init: Init::Normal(FACTOR_STD),
        };
        let factors = (variant == Variant::Local).then(|| to.together([factor("u"), factor("v")]));
        let projection = projection.then(|| Linear::declare(to, &format!("{name}.out"), dim, dim, std_out));
        Ok(Self { qkv, factors, projection, config })
    }

    /// The layer's output for x [B T, D], plus `residual`. Takes x.
    ///
    /// # Errors
    /// As [`local::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: Plane, residual: Option<&Plane>) -> Result<(Plane, Saved)> {
        let qkv = self.qkv.forward(pass, &x, None)?;
        let rows = pass.rows();
        let out = Output::new(pass.b, rows, self.config.dim)?;
        let (batch, time, window) = (pass.batch, pass.length, self.config.window);
        let band = match self.factors {
            Some(factors) => {
                let [u, v] = factors.map(|id| pass.parameters.weights(id));
                let band = pass.b.plane("band", u.rows, band::cols(u.rows, window))?;
                band::forward(pass.b, &band::Forward { window, u: &u, v: &v, band: &band })?;
                local::forward(pass.b, &local::Forward { batch, time, window, qkv: &qkv, band: &band, out: &out })?;
                Some(band)
            }
            None => {
                simple::forward(pass.b, &simple::Forward { batch, time, qkv: &qkv, out: &out })?;
                None
            }
        };
        let y = self.project(pass, &out.y, residual)?;
        if !pass.keep {
            [Some(x.clone()), Some(qkv.clone()), band.clone(), Some(out.y.clone()), Some(out.log_den.clone())]
                .into_iter()
                .flatten()
                .for_each(|plane| pass.b.recycle(plane));
        }
        Ok((y, Saved { x, qkv, band, out }))
    }

    fn project(&self, pass: &mut Pass<'_>, mixed: &Plane, residual: Option<&Plane>) -> Result<Plane> {
        match &self.projection {
            Some(projection) => projection.forward(pass, mixed, residual),
            None => pass.add(mixed, residual),
        }
    }

    /// What a stream of `sequences` keeps of the layer, and adds the biases of all positions to the builder's program: they are
    /// those of the weights at the time when it runs.
    ///
    /// # Errors
    /// As [`Plane::new`] and [`band::forward`].
    pub fn open(&self, b: &mut Builder, parameters: &Parameters, sequences: u32) -> Result<AftStream> {
        let AftConfig { dim, length, window, .. } = self.config;
        let sums = b.gpu.storage("stream sums", stream::sums_bytes(sequences, dim))?;
        let window = match self.factors {
            Some(factors) => {
                let [u, v] = factors.map(|id| parameters.weights(id));
                let band = b.plane("band", length, band::cols(length, window))?;
                band::forward(b, &band::Forward { window, u: &u, v: &v, band: &band })?;
                let bytes = local_stream::ring_bytes(sequences, length, window, dim);
                Some(Window { band, ring: b.gpu.storage("stream window", bytes)? })
            }
            None => None,
        };
        Ok(AftStream { sums, window })
    }

    /// The layer's output for the next tokens of a stream, x [N C, D], plus `residual`. Takes x.
    ///
    /// # Errors
    /// As [`local_stream::forward`].
    pub fn stream(
        &self,
        pass: &mut Pass<'_>,
        x: Plane,
        residual: Option<&Plane>,
        kept: &AftStream,
        cursor: &Buffer,
    ) -> Result<Plane> {
        let qkv = self.qkv.forward(pass, &x, None)?;
        let y = &pass.plane("aft y", self.config.dim)?;
        let (sequences, chunk, sums, qkv) = (pass.batch, pass.length, &kept.sums, &qkv);
        match &kept.window {
            Some(Window { band, ring }) => {
                let window = self.config.window;
                let args = local_stream::Forward { sequences, chunk, window, qkv, band, cursor, sums, ring, y };
                local_stream::forward(pass.b, &args)?;
            }
            None => {
                simple_stream::forward(pass.b, &simple_stream::Forward { sequences, chunk, qkv, cursor, sums, y })?;
            }
        }
        let projected = self.project(pass, y, residual)?;
        [&x, qkv, y].into_iter().for_each(|plane| pass.b.recycle(plane.clone()));
        Ok(projected)
    }

    /// dx from dy, which stays the caller's.
    ///
    /// # Errors
    /// As [`local::backward`].
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: &Plane) -> Result<Plane> {
        let Saved { x, qkv, band, out } = saved;
        let projected = match &self.projection {
            Some(projection) => Some(projection.backward(pass, &out.y, dy, None)?),
            None => None,
        };
        let dmixed = projected.as_ref().unwrap_or(dy);
        let dqkv = pass.plane("gradient", qkv.cols)?;
        let (batch, time, window) = (pass.batch, pass.length, self.config.window);
        if let (Some(factors), Some(band)) = (self.factors, &band) {
            let dband = pass.b.plane("band gradient", band.rows, band.cols)?;
            let args = local::Backward {
                batch,
                time,
                window,
                qkv: &qkv,
                band,
                out: &out,
                dy: dmixed,
                dqkv: &dqkv,
                dband: &dband,
            };
            local::backward(pass.b, &args)?;
            let [u, v] = factors.map(|id| pass.parameters.weights(id));
            let gradient = pass.parameters.gradient(factors[0], Some(factors[1]), pass.accumulate)?;
            band::backward(pass.b, &band::Backward { u: &u, v: &v, dband: &dband, factors: &gradient })?;
            pass.b.recycle(dband);
        } else {
            let args = simple::Backward { batch, time, qkv: &qkv, out: &out, dy: dmixed, dqkv: &dqkv };
            simple::backward(pass.b, &args)?;
        }
        let dx = self.qkv.backward(pass, &x, &dqkv, None)?;
        [Some(x), Some(qkv), band, Some(out.y), Some(out.log_den), projected, Some(dqkv)]
            .into_iter()
            .flatten()
            .for_each(|plane| pass.b.recycle(plane));
        Ok(dx)
    }
}
