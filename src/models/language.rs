//! The byte-level language model of the paper's Enwik8 experiment: learned position embeddings, pre-LN blocks, and an output head
//! over 256 bytes.
//!
//! ```
//! use aft_wgpu::form::Form;
//! use aft_wgpu::models::language::LanguageConfig;
//! use aft_wgpu::nn::Mixer;
//!
//! # fn main() -> aft_wgpu::Result<()> {
//! // AFT-conv with kernels of 16 entries in 32 heads; all else is as in the paper.
//! let variant = Mixer::Aft(Form::Conv1d);
//! let config = LanguageConfig { variant, heads: 32, window: 16, ..LanguageConfig::paper_enwik8() };
//! config.validate()?;
//! assert!(config.parameters()? < LanguageConfig::paper_enwik8().parameters()?);
//! # Ok(())
//! # }
//! ```

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::form::{Bias, Form, SizedForm};
use crate::gpu::{AdapterClass, Buffer, Gpu, Placement, Plane, Weights};
use crate::nn::{
    AftConfig, Block, BlockConfig, Declarations, Init, LayerNorm, Linear, Mixer, ParameterId, Parameters, Pass, Spec,
};
use crate::ops::nn::batch::Batch;
use crate::ops::nn::{cross_entropy, embedding};
use crate::ops::{Builder, aft};

/// Number of tokens: one for each byte.
pub const VOCABULARY: u32 = 256;

/// Configuration of a language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// Which AFT, or attention.
    pub variant: Mixer,
    /// Blocks, L.
    pub layers: u32,
    /// Channels, D.
    pub dim: u32,
    /// Heads, H (conv, attention): a divisor of D. Other variants have 1, as in the paper.
    pub heads: u32,
    /// Window s (local), or kernel size (conv).
    pub window: u32,
    /// Rank of the biases, R (full, local).
    pub rank: u32,
    /// Positions, T.
    pub length: u32,
    /// Width of an MLP's hidden layer, in units of D.
    pub mlp_ratio: u32,
    /// Whether AFT's output has a linear projection.
    pub projection: bool,
    /// Dropout probability in training, for branches and the embedding.
    pub dropout: f32,
    /// Epsilon of layer normalisation.
    pub norm_eps: f32,
}

impl LanguageConfig {
    /// Allowed number of layers.
    pub const LAYERS: RangeInclusive<u32> = 1..=1024;
    /// Allowed number of channels.
    pub const DIM: RangeInclusive<u32> = 1..=1 << 16;
    /// Allowed number of positions.
    pub const LENGTH: RangeInclusive<u32> = 1..=131_072;

    /// AFT-local-32, 12 layers of 512 (paper, Table 4).
    pub fn paper_enwik8() -> Self {
        Self {
            variant: Mixer::Aft(Form::Local),
            layers: 12,
            dim: 512,
            heads: 1,
            window: 32,
            rank: 256,
            length: 1024,
            mlp_ratio: 4,
            projection: true,
            dropout: 0.1,
            norm_eps: 1e-5,
        }
    }

    /// The model that an adapter trains in about two minutes: small with many steps on a CPU, larger on a GPU. Without dropout:
    /// the paper's value is for hundreds of epochs, these runs have only a few.
    pub fn for_adapter(class: AdapterClass) -> Self {
        let paper = Self { dropout: 0.0, ..Self::paper_enwik8() };
        match class {
            AdapterClass::Software => Self { layers: 2, dim: 64, window: 16, rank: 32, length: 128, ..paper },
            AdapterClass::Integrated | AdapterClass::Unknown => {
                Self { layers: 4, dim: 128, window: 32, rank: 64, length: 256, ..paper }
            }
            AdapterClass::Discrete => Self { layers: 6, dim: 256, window: 32, rank: 64, length: 256, ..paper },
        }
    }

    /// Fails on invalid sizes.
    ///
    /// # Errors
    /// [`Error::Config`] with the field and its allowed values.
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(Error::Config(text));
        for (name, value, range) in [
            ("layers", self.layers, Self::LAYERS),
            ("dim", self.dim, Self::DIM),
            ("length", self.length, Self::LENGTH),
            ("mlp_ratio", self.mlp_ratio, 1..=64),
        ] {
            if !range.contains(&value) {
                return fail(format!("{name} lies between 1 and {}, not at {value}", range.end()));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return fail(format!("dropout lies in [0, 1), not at {}", self.dropout));
        }
        if !(self.norm_eps > 0.0 && self.norm_eps.is_finite()) {
            return fail(format!("norm_eps is positive, not {}", self.norm_eps));
        }
        Layers::declare(&mut Declarations::default(), self).map(|_| ())
    }

    /// The form of AFT with its sizes; none for attention.
    pub(crate) fn sized_form(&self) -> Option<SizedForm> {
        let [window, rank, length] = [self.window, self.rank, self.length].map(|n| n as usize);
        self.variant.form().map(|form| form.sized(window, Bias::Factors(rank), length))
    }

    /// Number of most recent keys that a row reads through biases.
    pub(crate) fn reach(&self) -> u32 {
        match self.variant {
            Mixer::Aft(Form::Simple) | Mixer::Attention => 0,
            Mixer::Aft(Form::Full) => self.length,
            Mixer::Aft(Form::Local | Form::Conv1d | Form::Conv2d) => self.window.min(self.length),
        }
    }

    /// Number of parameters.
    ///
    /// # Errors
    /// As [`LanguageConfig::validate`].
    pub fn parameters(&self) -> Result<u64> {
        Ok(self.specs()?.iter().map(|s| u64::from(s.rows) * u64::from(s.cols)).sum())
    }

    /// Names, shapes and initial values of the model's tensors.
    pub(crate) fn specs(&self) -> Result<Vec<Spec>> {
        let mut declared = Declarations::default();
        Layers::declare(&mut declared, self)?;
        Ok(declared.specs().cloned().collect())
    }

    fn block(&self) -> BlockConfig {
        // Each block adds two branches to the residual stream. Their output layers start smaller, so that its variance does not
        // grow with depth.
        let std = 0.02f32.max(0.5 / (self.dim as f32).sqrt());
        let std_out = std / (2.0 * self.layers as f32).sqrt();
        let &Self { variant, dim, length, heads, window, rank, projection, mlp_ratio, norm_eps, .. } = self;
        let aft = AftConfig { variant, dim, length, heads, window, rank, projection, std, std_out };
        BlockConfig { aft, mlp_ratio, norm_eps }
    }
}

/// The layers of a model, by parameter ids.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) token: ParameterId,
    pub(super) position: ParameterId,
    pub(super) blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Layers {
    fn declare(to: &mut Declarations, config: &LanguageConfig) -> Result<Self> {
        let table = |name: &str, rows| Spec {
            name: name.into(),
            rows,
            cols: config.dim,
            decay: false,
            init: Init::Normal(EMBEDDING_STD),
        };
        let [token, position] =
            to.together([table("embedding.token", VOCABULARY), table("embedding.position", config.length)]);
        let blocks = (0..config.layers).map(|n| Block::declare(to, n, config.block())).collect::<Result<_>>()?;
        let norm = LayerNorm::declare(to, "norm", config.dim, config.norm_eps);
        // Small initial logits: the first loss is that of a uniform guess.
        let head = Linear::declare(to, "head", config.dim, VOCABULARY, 0.02);
        Ok(Self { token, position, blocks, norm, head })
    }
}

const EMBEDDING_STD: f32 = 0.1;

/// A language model on a device.
#[derive(Debug)]
pub struct Language {
    /// Configuration of the model.
    pub config: LanguageConfig,
    /// Its parameters.
    pub parameters: Parameters,
    /// Storage of its planes: buffers or textures.
    pub placement: Placement,
    pub(super) layers: Layers,
}

/// Destination of the losses of a pass.
pub struct Losses<'a> {
    /// The loss of each row in nats, [B T] floats.
    pub rows: &'a Buffer,
    /// Whether to add to them instead of overwriting.
    pub accumulate: bool,
}

impl Language {
    /// Creates a model with parameters initialised from `seed`, or 0 without one. With `training` it also has gradients and
    /// moments. `rows` = B T decides the storage of planes.
    ///
    /// # Errors
    /// As [`LanguageConfig::validate`]; [`Error::LimitExceeded`].
    pub fn new(gpu: &Gpu, config: &LanguageConfig, rows: u32, training: bool, seed: Option<u64>) -> Result<Self> {
        config.validate()?;
        let mut declared = Declarations::default();
        let layers = Layers::declare(&mut declared, config)?;
        let placement = config.placement(gpu, rows);
        let parameters = Parameters::new(gpu, &declared, placement, training, seed)?;
        Ok(Self { config: config.clone(), parameters, placement, layers })
    }

    /// Records the forward pass and the losses of a batch; with `pass.keep` also the backward pass. `scale` is the weight of a
    /// row's loss in the mean.
    ///
    /// # Errors
    /// As the operations.
    pub fn losses(&self, pass: &mut Pass<'_>, batch: Batch<'_>, losses: &Losses<'_>, scale: f32) -> Result<()> {
        let (logits, saved) = self.forward(pass, batch)?;
        let Losses { rows, accumulate } = *losses;
        let dlogits = match &saved {
            Some(_) => Some(pass.plane("logit gradients", VOCABULARY)?),
            None => None,
        };
        let gradient = dlogits.as_ref().map(|dlogits| cross_entropy::Gradient { dlogits, scale });
        let args = cross_entropy::Loss { logits: &logits, batch, losses: rows, accumulate, gradient };
        cross_entropy::forward(pass.b, &args)?;
        drop(logits);
        saved.zip(dlogits).map_or(Ok(()), |(saved, dlogits)| self.backward(pass, batch, saved, dlogits))
    }

    /// Records the forward pass and returns the logits [B T, 256].
    ///
    /// # Errors
    /// As the operations.
    pub fn logits(&self, pass: &mut Pass<'_>, batch: Batch<'_>) -> Result<Plane> {
        Ok(self.forward(pass, batch)?.0)
    }

    fn forward(&self, pass: &mut Pass<'_>, batch: Batch<'_>) -> Result<(Plane, Option<Saved>)> {
        let Layers { token, position, blocks, .. } = &self.layers;
        let [token, position]: [Weights; 2] = [*token, *position].map(|id| pass.parameters.weights(id));
        let mut x = pass.plane("embedded", self.config.dim)?;
        let args = embedding::Forward { batch, token: &token, position: &position, length: pass.length, x: &x };
        embedding::forward(pass.b, &args)?;
        if let Some(dropped) = pass.drop(&x, None, 0)? {
            x = dropped;
        }
        let mut saved_blocks = Vec::new();
        for block in blocks {
            let (y, saved) = block.forward(pass, x)?;
            x = y;
            saved_blocks.extend(saved);
        }
        let (logits, head) = self.head(pass, x)?;
        Ok((logits, head.map(|(norm, normal)| Saved { blocks: saved_blocks, norm, normal })))
    }

    /// The logits from the last block's output `x`, and the values saved for the backward pass.
    pub(super) fn head(&self, pass: &mut Pass<'_>, x: Plane) -> Result<(Plane, Option<SavedHead>)> {
        let Layers { norm, head, .. } = &self.layers;
        let (normal, saved) = norm.forward(pass, &x)?;
        drop(x);
        let logits = head.forward(pass, &normal, None)?;
        Ok((logits, saved.zip(pass.save(normal))))
    }

    fn backward(&self, pass: &mut Pass<'_>, batch: Batch<'_>, saved: Saved, dlogits: Plane) -> Result<()> {
        let Layers { token, position, blocks, norm, head } = &self.layers;
        let dnormal = head.backward(pass, &saved.normal, &dlogits, None)?;
        drop((dlogits, saved.normal));
        let mut dx = norm.backward(pass, saved.norm, dnormal, None)?;
        for (block, saved) in blocks.iter().zip(saved.blocks).rev() {
            dx = block.backward(pass, saved, dx)?;
        }
        if let Some(dropped) = pass.drop(&dx, None, 0)? {
            dx = dropped;
        }
        let tables = pass.parameters.gradient(*token, Some(*position), pass.accumulate)?;
        let (length, positions) = (pass.length, self.config.length);
        embedding::backward(pass.b, &embedding::Backward { batch, length, positions, dx: &dx, tables: &tables })?;
        Ok(())
    }
}

/// Values saved for the head's backward pass: those of the last norm, and its output.
type SavedHead = (crate::nn::layer_norm::Saved, Plane);

/// Values saved for the backward pass.
struct Saved {
    blocks: Vec<crate::nn::block::Saved>,
    norm: crate::nn::layer_norm::Saved,
    normal: Plane,
}

impl LanguageConfig {
    fn placement(&self, gpu: &Gpu, rows: u32) -> Placement {
        let widest = (self.mlp_ratio * self.dim).max(3 * self.dim).max(VOCABULARY) / 4;
        gpu.placement(rows.max(self.length).max(widest))
    }

    /// Fails if a plane of `rows` = B T rows or a parameter exceeds the device's limits, or if no plan of AFT supports the sizes.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] with the numbers.
    pub fn check_limits(&self, gpu: &Gpu, rows: u32) -> Result<()> {
        let limits = &gpu.caps().limits;
        let builder = Builder::new(gpu, self.placement(gpu, rows));
        aft::check(&builder, rows.div_ceil(self.length), self.length, self.dim, self.reach())?;
        let widest = u64::from(self.mlp_ratio.max(3)) * u64::from(self.dim);
        let plane = 4 * u64::from(rows) * widest.max(VOCABULARY.into());
        let weight = 4 * u64::from(self.dim) * widest.max(VOCABULARY.into());
        let tables = 4 * u64::from(self.dim) * (u64::from(VOCABULARY) + u64::from(self.length));
        let (length, factors) = (u64::from(self.length), 8 * u64::from(self.length) * u64::from(self.rank));
        // AFT-full holds one panel of rows at a time.
        let (factors, band) = match self.variant {
            Mixer::Aft(Form::Simple | Form::Conv1d | Form::Conv2d) | Mixer::Attention => (0, 0),
            Mixer::Aft(Form::Local) if self.window < self.length => {
                (factors, 4 * length * u64::from(aft::biases::band_cols(self.length, self.window)))
            }
            Mixer::Aft(Form::Local | Form::Full) => (factors, 4 * length * length.min(2 * u64::from(self.dim) + 64)),
        };
        let granted = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        for (what, needed, advice) in [
            ("an activation (bytes)", plane, "a smaller --batch, --length or --dim"),
            ("a weight (bytes)", weight, "a smaller --dim"),
            ("the embedding (bytes)", tables, "a smaller --dim or --length"),
            ("the factors of the position biases (bytes)", factors, "a smaller --length or --rank"),
            ("the position biases (bytes)", band, "a smaller --length or --window"),
        ] {
            if needed > granted {
                return Err(Error::LimitExceeded {
                    what: what.into(),
                    limit: "max_storage_buffer_binding_size",
                    needed,
                    granted,
                    advice: advice.into(),
                });
            }
        }
        Ok(())
    }
}
