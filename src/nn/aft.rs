//! The AFT layer: one projection to q, k and v, the operation, and an output projection.

use crate::error::{Error, Result};
use crate::form::Form;
use crate::gpu::{Buffer, Plane, Weights};
use crate::nn::{Declarations, Init, Linear, Mixer, ParameterId, Parameters, Pass, Spec};
use crate::ops::aft::biases::{BiasGradient, Biases, StreamBias};
use crate::ops::aft::kernel_norm::{self, Normed};
use crate::ops::aft::mix::{self, Mix, Mixed};
use crate::ops::aft::taps::Taps;
use crate::ops::aft::{heads, local_stream, qkv_cols, simple_stream, stream};
use crate::ops::{Builder, Gradient};

/// Sizes of an AFT layer, or of attention in its place.
#[derive(Debug, Clone, Copy)]
pub struct AftConfig {
    /// Form of AFT, or attention.
    pub variant: Mixer,
    /// Channels D, a multiple of 4.
    pub dim: u32,
    /// Positions T.
    pub length: u32,
    /// Heads H, a divisor of D (conv); else 1.
    pub heads: u32,
    /// Window s (local), or size of the kernel (conv).
    pub window: u32,
    /// Rank R of the biases (full, local).
    pub rank: u32,
    /// Whether the layer has an output projection.
    pub projection: bool,
    /// Initial standard deviation of the q, k, v projection.
    pub std: f32,
    /// Initial standard deviation of the output projection.
    pub std_out: f32,
}

/// Initial standard deviation of u and v (paper, section 4.1: N(0, 10^-2), read as sd 0.1).
const FACTOR_STD: f32 = 0.1;

/// An AFT layer with its parameters.
#[derive(Debug)]
pub struct Aft {
    /// Projection to q, k and v; for AFT-conv, whose keys have one channel a head, to q, v and k.
    input: Linear,
    bias: BiasParameters,
    form: Form,
    projection: Option<Linear>,
    config: AftConfig,
}

/// Parameters of the biases.
#[derive(Debug, Clone, Copy)]
enum BiasParameters {
    None,
    /// u and v [T, R].
    Factors([ParameterId; 2]),
    /// The raw kernel [H, s], gamma and beta `[H]`.
    Kernel([ParameterId; 3]),
}

/// Values saved for the backward pass.
#[derive(Debug)]
pub struct Saved {
    x: Plane,
    qkv: Plane,
    taps: Option<Buffer>,
    out: Mixed,
}

/// Streaming state of an AFT layer on the device, for N sequences; its size does not grow with their length.
#[derive(Debug)]
pub struct AftStream {
    /// Sums over the tokens read so far, [N, 5, D4] vec4s.
    pub sums: Buffer,
    /// Keys that rows see with biases; none without biases.
    pub window: Option<Window>,
}

/// Streaming state of the window of biased keys.
#[derive(Debug)]
pub struct Window {
    /// The biases of all positions.
    pub bias: StreamBias,
    /// Ring of the last keys and values, [N, min(s, T), 2, D4] vec4s.
    pub ring: Buffer,
}

/// The biases of a layer on the device.
enum LayerBias<'a> {
    None,
    Factors(Box<[Weights; 2]>, u32),
    Taps(Taps<'a>),
}

impl LayerBias<'_> {
    fn biases(&self) -> Biases<'_> {
        match self {
            Self::None => Biases::None,
            Self::Factors(factors, window) => Biases::Factors { u: &factors[0], v: &factors[1], window: *window },
            Self::Taps(taps) => Biases::Taps(*taps),
        }
    }
}

impl Aft {
    /// Declares `name.qkv` and, by configuration, `name.bias.u` and `name.bias.v`, or `name.kernel.raw`,
    /// `name.kernel.gamma` and `name.kernel.beta`; and `name.out`.
    ///
    /// # Errors
    /// [`Error::Config`] if the channels are not a multiple of 4, or the sizes do not fit the form.
    pub fn declare(to: &mut Declarations, name: &str, config: AftConfig) -> Result<Self> {
        let AftConfig { variant, dim, length, heads, window, rank, projection, std, std_out } = config;
        let fail = |text: String| Err(Error::Config(text));
        if dim == 0 || !dim.is_multiple_of(4) {
            return fail(format!("the channels of an AFT layer must be a multiple of 4, not {dim}"));
        }
        let Mixer::Aft(form) = variant else { return fail("attention is a layer of its own".into()) };
        if heads == 0 || !dim.is_multiple_of(heads) || (!form.is_conv() && heads != 1) {
            let title = variant.title();
            return fail(match form.is_conv() {
                true => format!("the heads of {title} must divide its {dim} channels; {heads} do not"),
                false => format!("{title} must have 1 head, not {heads}"),
            });
        }
        let missing = match form {
            Form::Simple => None,
            Form::Full => (rank == 0).then_some("a rank"),
            Form::Local => (window == 0 || rank == 0).then_some("a window and a rank"),
            Form::Conv1d => (window == 0).then_some("a window"),
            Form::Conv2d => return fail("AFT-conv2d mixes an image grid: a layer over a sequence has AFT-conv".into()),
        };
        if let Some(missing) = missing {
            return fail(format!("{} needs {missing} of at least 1 (a window of 0 is AFT-simple)", variant.title()));
        }
        let cols = if form.is_conv() { heads::cols(dim, heads) } else { qkv_cols(dim) };
        let input = Linear::declare(to, &format!("{name}.qkv"), dim, cols, std);
        let spec =
            |part: &str, rows, cols, init| Spec { name: format!("{name}.{part}"), rows, cols, decay: false, init };
        let bias = match form {
            Form::Simple => BiasParameters::None,
            Form::Full | Form::Local => BiasParameters::Factors(
                to.together(["bias.u", "bias.v"].map(|part| spec(part, length, rank, Init::Normal(FACTOR_STD)))),
            ),
            // The paper starts gamma and beta at 0, so that the layer starts as AFT-simple.
            Form::Conv1d | Form::Conv2d => BiasParameters::Kernel(to.together([
                spec("kernel.raw", heads, window, Init::Normal(1.0)),
                spec("kernel.gamma", 1, heads, Init::Zeros),
                spec("kernel.beta", 1, heads, Init::Zeros),
            ])),
        };
        let projection = projection.then(|| Linear::declare(to, &format!("{name}.out"), dim, dim, std_out));
        Ok(Self { input, bias, form, projection, config })
    }

    fn mix(&self, pass: &Pass<'_>) -> Mix<'static> {
        let (batch, time, channels) = (pass.batch, pass.length, self.config.dim);
        Mix { batch, time, channels, causal: true, gated: true, mask: None }
    }

    fn layer_bias<'a>(&self, parameters: &Parameters, taps: Option<&'a Buffer>) -> LayerBias<'a> {
        let AftConfig { heads, window, .. } = self.config;
        match (self.bias, taps) {
            (BiasParameters::Factors(factors), _) => {
                let window = if self.form == Form::Full { u32::MAX } else { window };
                LayerBias::Factors(Box::new(factors.map(|id| parameters.weights(id))), window)
            }
            (BiasParameters::Kernel(_), Some(values)) => {
                LayerBias::Taps(Taps { values, heads, size: window, grid: None })
            }
            _ => LayerBias::None,
        }
    }

    /// Adds the taps of AFT-conv.
    fn taps(&self, b: &mut Builder, parameters: &Parameters) -> Result<Option<Buffer>> {
        let BiasParameters::Kernel(ids) = self.bias else { return Ok(None) };
        let [raw, gamma, beta] = ids.map(|id| parameters.weights(id));
        let taps = b.scratch("taps", raw.size_bytes())?;
        kernel_norm::forward(b, &Normed { raw: &raw, gamma: &gamma, beta: &beta }, &taps)?;
        Ok(Some(taps))
    }

    fn project(&self, pass: &mut Pass<'_>, mixed: &Plane, residual: Option<&Plane>) -> Result<Plane> {
        match &self.projection {
            Some(projection) => projection.forward(pass, mixed, residual),
            None => pass.add(mixed, residual),
        }
    }

    /// Creates the layer's streaming state for `sequences` sequences, and adds the computation of the biases of all
    /// positions to the builder's program, from the weights at the time when it runs.
    ///
    /// # Errors
    /// As [`StreamBias::new`].
    pub fn open(&self, b: &mut Builder, parameters: &Parameters, sequences: u32) -> Result<AftStream> {
        let AftConfig { dim, length, .. } = self.config;
        let sums = b.gpu.storage("stream sums", stream::sums_bytes(sequences, dim))?;
        let taps = self.taps(b, parameters)?;
        let window = match self.layer_bias(parameters, taps.as_ref()) {
            LayerBias::None => None,
            bias => {
                let bias = StreamBias::new(b, length, dim, &bias.biases())?;
                let bytes = local_stream::ring_bytes(sequences, length, bias.reach(), dim);
                Some(Window { ring: b.gpu.storage("stream window", bytes)?, bias })
            }
        };
        Ok(AftStream { sums, window })
    }

    /// The layer's output [N C, D] for the next tokens of a stream, x [N C, D], plus `residual`. Consumes x.
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
        let projected = self.input.forward(pass, &x, None)?;
        let qkv = &self.spread(pass, projected)?;
        let y = &pass.plane("aft y", self.config.dim)?;
        let (sequences, chunk, sums) = (pass.batch, pass.length, &kept.sums);
        match &kept.window {
            Some(Window { bias, ring }) => {
                let args = local_stream::Forward { sequences, chunk, qkv, bias, cursor, sums, ring, y };
                local_stream::forward(pass.b, &args)?;
            }
            None => {
                simple_stream::forward(pass.b, &simple_stream::Forward { sequences, chunk, qkv, cursor, sums, y })?;
            }
        }
        self.project(pass, y, residual)
    }

    /// The plane qkv of the input projection, with AFT-conv's keys repeated over the channels of a head.
    fn spread(&self, pass: &mut Pass<'_>, projected: Plane) -> Result<Plane> {
        if !self.form.is_conv() {
            return Ok(projected);
        }
        let AftConfig { dim, heads, .. } = self.config;
        let qkv = pass.plane("qkv", qkv_cols(dim))?;
        heads::spread(pass.b, dim, heads, &projected, &qkv)?;
        Ok(qkv)
    }

    /// The layer's output [B T, D] for x [B T, D], plus `residual`. Consumes x.
    ///
    /// # Errors
    /// As [`mix::forward`].
    pub fn forward(&self, pass: &mut Pass<'_>, x: Plane, residual: Option<&Plane>) -> Result<(Plane, Option<Saved>)> {
        let projected = self.input.forward(pass, &x, None)?;
        let qkv = self.spread(pass, projected)?;
        let taps = self.taps(pass.b, pass.parameters)?;
        let mix = self.mix(pass);
        // In training, evaluation uses the kernels of training, so that fewer kernels are compiled.
        let out = Mixed::new(pass.b, &mix, pass.parameters.trains())?;
        mix::forward(pass.b, &mix, &self.layer_bias(pass.parameters, taps.as_ref()).biases(), &qkv, &out)?;
        let y = self.project(pass, &out.y, residual)?;
        Ok((y, pass.save(Saved { x, qkv, taps, out })))
    }

    /// Returns dx [B T, D] for dy [B T, D].
    ///
    /// # Errors
    /// As [`mix::backward`].
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: &Plane) -> Result<Plane> {
        let projected = match &self.projection {
            Some(projection) => Some(projection.backward(pass, &saved.out.y, dy, None)?),
            None => None,
        };
        let dmixed = projected.as_ref().unwrap_or(dy);
        let dqkv = pass.plane("gradient", saved.qkv.cols)?;
        let mix = self.mix(pass);
        let bias = self.layer_bias(pass.parameters, saved.taps.as_ref());
        let back = |dbiases| mix::Backward { qkv: &saved.qkv, out: &saved.out, dy: dmixed, dqkv: &dqkv, dbiases };
        match self.bias {
            BiasParameters::None => mix::backward(pass.b, &mix, &bias.biases(), &back(None))?,
            BiasParameters::Factors([u, v]) => {
                let gradient = pass.parameters.gradient(u, Some(v), pass.accumulate)?;
                mix::backward(pass.b, &mix, &bias.biases(), &back(Some(BiasGradient::Factors(&gradient))))?;
            }
            BiasParameters::Kernel([raw_id, gamma_id, beta_id]) => {
                let [raw, gamma, beta] = [raw_id, gamma_id, beta_id].map(|id| pass.parameters.weights(id));
                let dtaps = pass.b.scratch("tap gradients", raw.size_bytes())?;
                let of_taps = Gradient::whole(&dtaps, raw.rows * raw.stride());
                mix::backward(pass.b, &mix, &bias.biases(), &back(Some(BiasGradient::Taps(&of_taps))))?;
                let gradient = pass.parameters.gradient(raw_id, Some(gamma_id), pass.accumulate)?;
                kernel_norm::backward(pass.b, &Normed { raw: &raw, gamma: &gamma, beta: &beta }, &dtaps, &gradient)?;
            }
        }
        let dinput = self.gather(pass, dqkv)?;
        self.input.backward(pass, &saved.x, &dinput, None)
    }

    /// The gradient of [`Aft::spread`]: sums key gradients over the channels of a head.
    fn gather(&self, pass: &mut Pass<'_>, dqkv: Plane) -> Result<Plane> {
        if !self.form.is_conv() {
            return Ok(dqkv);
        }
        let AftConfig { dim, heads, .. } = self.config;
        let dinput = pass.plane("gradient", heads::cols(dim, heads))?;
        heads::gather(pass.b, dim, heads, &dqkv, &dinput)?;
        Ok(dinput)
    }
}
