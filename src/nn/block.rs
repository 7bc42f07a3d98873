//! A pre-LN block (paper, section 4.1): x + aft(norm(x)) (or attention), then + mlp(norm(..)), with dropout on both.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Plane};
use crate::nn::{
    Aft, AftConfig, AftStream, Attention, Declarations, LayerNorm, Mixer, Mlp, Parameters, Pass, aft, attention,
    layer_norm, mlp,
};
use crate::ops::Builder;

/// Sizes of a block.
#[derive(Debug, Clone, Copy)]
pub struct BlockConfig {
    /// The AFT layer, or attention of the same size.
    pub aft: AftConfig,
    /// Width of the perceptron's hidden layer as a multiple of D.
    pub mlp_ratio: u32,
    /// eps of both normalisations.
    pub norm_eps: f32,
}

/// A block with its parameters.
#[derive(Debug)]
pub struct Block {
    norm1: LayerNorm,
    mixing: Mixing,
    norm2: LayerNorm,
    mlp: Mlp,
    /// The block's number n: its dropouts are sites 2 n + 1 and 2 n + 2 of the model.
    number: u32,
}

/// Layer that mixes the positions of a sequence.
#[derive(Debug)]
enum Mixing {
    Aft(Box<Aft>),
    Attention(Attention),
}

/// Values saved for the backward pass of the mixing.
#[derive(Debug)]
enum SavedMixing {
    Aft(Box<aft::Saved>),
    Attention(Box<attention::Saved>),
}

/// Streaming state of a block on the device.
#[derive(Debug)]
pub enum BlockStream {
    /// Of AFT: constant size, however much was read.
    Aft(Box<AftStream>),
    /// Of attention: keys and values of all positions, [N, T, 2, D4] vec4s.
    Attention(Buffer),
}

impl BlockStream {
    /// Buffers that carry the state from pass to pass: the sums, and the window if there is one; or keys and values.
    pub fn state(&self) -> Vec<&Buffer> {
        match self {
            Self::Aft(kept) => {
                std::iter::once(&kept.sums).chain(kept.window.as_ref().map(|window| &window.ring)).collect()
            }
            Self::Attention(cache) => vec![cache],
        }
    }
}

impl Mixing {
    /// Declares `blocks.N.aft`, or `blocks.N.attention` with the parameters of AFT-simple.
    fn declare(to: &mut Declarations, block: &str, config: AftConfig) -> Result<Self> {
        match config.variant {
            Mixer::Attention => Attention::declare(to, &format!("{block}.attention"), config).map(Self::Attention),
            Mixer::Aft(_) => Ok(Self::Aft(Box::new(Aft::declare(to, &format!("{block}.aft"), config)?))),
        }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Plane, residual: Option<&Plane>) -> Result<(Plane, Option<SavedMixing>)> {
        match self {
            Self::Aft(aft) => {
                let (y, saved) = aft.forward(pass, x, residual)?;
                Ok((y, saved.map(|saved| SavedMixing::Aft(Box::new(saved)))))
            }
            Self::Attention(attention) => {
                let (y, saved) = attention.forward(pass, x, residual)?;
                Ok((y, saved.map(|saved| SavedMixing::Attention(Box::new(saved)))))
            }
        }
    }

    fn backward(&self, pass: &mut Pass<'_>, saved: SavedMixing, dy: &Plane) -> Result<Plane> {
        match (self, saved) {
            (Self::Aft(aft), SavedMixing::Aft(saved)) => aft.backward(pass, *saved, dy),
            (Self::Attention(attention), SavedMixing::Attention(saved)) => attention.backward(pass, *saved, dy),
            _ => Err(other_layer()),
        }
    }
}

fn other_layer() -> Error {
    Error::Config("the saved values or the streaming state belong to another kind of layer".into())
}

/// Values saved for the backward pass.
#[derive(Debug)]
pub struct Saved {
    norm1: layer_norm::Saved,
    mixing: SavedMixing,
    norm2: layer_norm::Saved,
    mlp: mlp::Saved,
}

impl Block {
    /// Declares `blocks.N.norm1`, `.aft` or `.attention`, `.norm2` and `.mlp`.
    ///
    /// # Errors
    /// As [`Aft::declare`] and [`Attention::declare`].
    pub fn declare(to: &mut Declarations, number: u32, config: BlockConfig) -> Result<Self> {
        let BlockConfig { aft, mlp_ratio, norm_eps } = config;
        let name = |part: &str| format!("blocks.{number}.{part}");
        Ok(Self {
            norm1: LayerNorm::declare(to, &name("norm1"), aft.dim, norm_eps),
            mixing: Mixing::declare(to, &format!("blocks.{number}"), aft)?,
            norm2: LayerNorm::declare(to, &name("norm2"), aft.dim, norm_eps),
            mlp: Mlp::declare(to, &name("mlp"), aft.dim, mlp_ratio, aft.std, aft.std_out),
            number,
        })
    }

    /// The block's output [B T, D] for x [B T, D]. Consumes x.
    ///
    /// # Errors
    /// As the layers' `forward`.
    pub fn forward(&self, pass: &mut Pass<'_>, x: Plane) -> Result<(Plane, Option<Saved>)> {
        let [site1, site2] = self.sites();
        let (normal1, norm1) = self.norm1.forward(pass, &x)?;
        let (middle, mixing) = pass.branch(&x, site1, |pass, residual| self.mixing.forward(pass, normal1, residual))?;
        drop(x);
        let (normal2, norm2) = self.norm2.forward(pass, &middle)?;
        let (y, mlp) = pass.branch(&middle, site2, |pass, residual| self.mlp.forward(pass, normal2, residual))?;
        drop(middle);
        let saved = norm1.zip(mixing).zip(norm2.zip(mlp));
        Ok((y, saved.map(|((norm1, mixing), (norm2, mlp))| Saved { norm1, mixing, norm2, mlp })))
    }

    /// Creates the block's streaming state for `sequences` sequences.
    ///
    /// # Errors
    /// As [`Aft::open`] and [`Attention::open`].
    pub fn open(&self, b: &mut Builder, parameters: &Parameters, sequences: u32) -> Result<BlockStream> {
        match &self.mixing {
            Mixing::Aft(aft) => aft.open(b, parameters, sequences).map(|kept| BlockStream::Aft(Box::new(kept))),
            Mixing::Attention(attention) => attention.open(b, sequences).map(BlockStream::Attention),
        }
    }

    /// The block's output [N C, D] for the next tokens of a stream, x [N C, D]. Consumes x.
    ///
    /// # Errors
    /// As the layers' `stream`.
    pub fn stream(&self, pass: &mut Pass<'_>, x: Plane, kept: &BlockStream, cursor: &Buffer) -> Result<Plane> {
        let (normal, _) = self.norm1.forward(pass, &x)?;
        let middle = match (&self.mixing, kept) {
            (Mixing::Aft(aft), BlockStream::Aft(kept)) => aft.stream(pass, normal, Some(&x), kept, cursor)?,
            (Mixing::Attention(attention), BlockStream::Attention(cache)) => {
                attention.stream(pass, normal, Some(&x), cache, cursor)?
            }
            _ => return Err(other_layer()),
        };
        drop(x);
        let (normal, _) = self.norm2.forward(pass, &middle)?;
        let (y, _) = self.mlp.forward(pass, normal, Some(&middle))?;
        drop(middle);
        Ok(y)
    }

    /// Returns dx [B T, D] for dy [B T, D]. Consumes dy.
    ///
    /// # Errors
    /// As the layers' `backward`.
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: Plane) -> Result<Plane> {
        let [site1, site2] = self.sites();
        let Saved { norm1, mixing, norm2, mlp } = saved;
        let dnormal = pass.branch_gradient(&dy, site2, |pass, dy| self.mlp.backward(pass, mlp, dy))?;
        let dmiddle = self.norm2.backward(pass, norm2, dnormal, Some(dy))?;
        let dnormal = pass.branch_gradient(&dmiddle, site1, |pass, dy| self.mixing.backward(pass, mixing, dy))?;
        self.norm1.backward(pass, norm1, dnormal, Some(dmiddle))
    }

    fn sites(&self) -> [u32; 2] {
        [2 * self.number + 1, 2 * self.number + 2]
    }
}
