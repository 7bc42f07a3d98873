//! A pre-LN block (paper, section 4.1): x + aft(norm(x)), then + mlp(norm(..)), with dropout on both branches.

use crate::error::Result;
use crate::gpu::{Buffer, Plane};
use crate::nn::{Aft, AftConfig, AftStream, Declarations, LayerNorm, Mlp, Parameters, Pass, aft, layer_norm, mlp};
use crate::ops::Builder;

/// Sizes of a block.
#[derive(Debug, Clone, Copy)]
pub struct BlockConfig {
    /// The AFT layer.
    pub aft: AftConfig,
    /// Width of the perceptron's hidden layer, in D.
    pub mlp_ratio: u32,
    /// eps of both normalisations.
    pub norm_eps: f32,
}

/// A block with its parameters.
#[derive(Debug)]
pub struct Block {
    norm1: LayerNorm,
    aft: Aft,
    norm2: LayerNorm,
    mlp: Mlp,
    /// The block's number: its dropouts are sites 2 n + 1 and 2 n + 2 of the model.
    number: u32,
}

/// What the backward pass needs.
#[derive(Debug)]
pub struct Saved {
    norm1: layer_norm::Saved,
    aft: aft::Saved,
    norm2: layer_norm::Saved,
    mlp: mlp::Saved,
}

impl Block {
    /// Declares `blocks.N.norm1`, `.aft`, `.norm2` and `.mlp`.
    ///
    /// # Errors
    /// As [`Aft::declare`].
    pub fn declare(to: &mut Declarations, number: u32, config: BlockConfig) -> Result<Self> {
        let BlockConfig { aft, mlp_ratio, norm_eps } = config;
        let name = |part: &str| format!("blocks.{number}.{part}");
        Ok(Self {
            norm1: LayerNorm::declare(to, &name("norm1"), aft.dim, norm_eps),
            aft: Aft::declare(to, &name("aft"), aft)?,
            norm2: LayerNorm::declare(to, &name("norm2"), aft.dim, norm_eps),
            mlp: Mlp::declare(to, &name("mlp"), aft.dim, mlp_ratio, aft.std, aft.std_out),
            number,
        })
    }

    /// The block's output for x [B T, D]. Takes x.
    ///
    /// # Errors
    /// As its layers.
    pub fn forward(&self, pass: &mut Pass<'_>, x: Plane) -> Result<(Plane, Saved)> {
        let [site1, site2] = self.sites();
        let (normal1, norm1) = self.norm1.forward(pass, &x)?;
        let (middle, aft) = pass.branch(&x, site1, |pass, residual| self.aft.forward(pass, normal1, residual))?;
        pass.release(x);
        let (normal2, norm2) = self.norm2.forward(pass, &middle)?;
        let (y, mlp) = pass.branch(&middle, site2, |pass, residual| self.mlp.forward(pass, normal2, residual))?;
        pass.release(middle);
        Ok((y, Saved { norm1, aft, norm2, mlp }))
    }

    /// What a stream of `sequences` keeps of the block.
    ///
    /// # Errors
    /// As [`Aft::open`].
    pub fn open(&self, b: &mut Builder, parameters: &Parameters, sequences: u32) -> Result<AftStream> {
        self.aft.open(b, parameters, sequences)
    }

    /// The block's output for the next tokens of a stream, x [N C, D]. Takes x.
    ///
    /// # Errors
    /// As its layers.
    pub fn stream(&self, pass: &mut Pass<'_>, x: Plane, kept: &AftStream, cursor: &Buffer) -> Result<Plane> {
        let (normal, _) = self.norm1.forward(pass, &x)?;
        let middle = self.aft.stream(pass, normal, Some(&x), kept, cursor)?;
        pass.release(x);
        let (normal, _) = self.norm2.forward(pass, &middle)?;
        let (y, _) = self.mlp.forward(pass, normal, Some(&middle))?;
        pass.release(middle);
        Ok(y)
    }

    /// dx from dy. Takes dy.
    ///
    /// # Errors
    /// As its layers.
    pub fn backward(&self, pass: &mut Pass<'_>, saved: Saved, dy: Plane) -> Result<Plane> {
        let [site1, site2] = self.sites();
        let Saved { norm1, aft, norm2, mlp } = saved;
        let dnormal = pass.branch_gradient(&dy, site2, |pass, dy| self.mlp.backward(pass, mlp, dy))?;
        let dmiddle = self.norm2.backward(pass, norm2, dnormal, Some(dy))?;
        let dnormal = pass.branch_gradient(&dmiddle, site1, |pass, dy| self.aft.backward(pass, aft, dy))?;
        self.norm1.backward(pass, norm1, dnormal, Some(dmiddle))
    }

    fn sites(&self) -> [u32; 2] {
        [2 * self.number + 1, 2 * self.number + 2]
    }
}
