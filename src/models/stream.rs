//! The language model over a stream of tokens: what it keeps between passes does not grow with what it has read, except for attention,
//! whose keys and values have room for every position.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Plane};
use crate::models::language::Language;
use crate::nn::{BlockStream, Pass};
use crate::ops::Builder;
use crate::ops::nn::cursor::{self, Cursor};
use crate::ops::nn::stream_embedding::{self, TokenRing};

/// What a stream keeps on the device: where it is, its latest tokens, and the state of each layer.
#[derive(Debug)]
pub struct LanguageStream {
    /// The [`Cursor`].
    pub cursor: Buffer,
    /// The tokens from the origin on, with room for more than T.
    pub tokens: TokenRing,
    /// What each block keeps.
    pub blocks: Vec<BlockStream>,
}

/// A pass over the next tokens of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamPass {
    /// The most tokens of each sequence that it reads, C.
    pub chunk: u32,
    /// Tokens that it leaves to the next pass.
    pub leave: u32,
    /// Tokens of each sequence that it makes.
    pub made: u32,
}

impl Language {
    /// What a stream of `sequences` keeps, at its start; the ring of tokens holds `ahead` more than the model has positions.
    /// The builder's program, which is to run once before any pass, takes the biases from the weights: they must not change
    /// while the stream lasts.
    ///
    /// # Errors
    /// [`Error::Config`] for no sequence; [`Error::LimitExceeded`].
    pub fn open(&self, b: &mut Builder, sequences: u32, ahead: u32) -> Result<LanguageStream> {
        if sequences == 0 {
            return Err(Error::Config("a stream has at least one sequence".into()));
        }
        let slots = (self.config.length + ahead).next_power_of_two();
        let buffer = b.gpu.storage("stream tokens", 4 * u64::from(slots) * u64::from(sequences))?;
        let cursor = b.gpu.upload("cursor", &[Cursor::default()])?;
        let blocks = &self.layers.blocks;
        let blocks = blocks.iter().map(|block| block.open(b, &self.parameters, sequences)).collect::<Result<_>>()?;
        Ok(LanguageStream { cursor, tokens: TokenRing { buffer, slots, sequences }, blocks })
    }

    /// How many tokens are read again when the model's positions are full: T/2, and at least the last one.
    pub fn kept(&self) -> u32 {
        (self.config.length / 2).max(1)
    }

    /// Adds a pass over the next tokens of a stream, and returns what the last block gives for them [N C, D].
    ///
    /// # Errors
    /// As the operations.
    pub fn stream(&self, b: &mut Builder, stream: &LanguageStream, pass: &StreamPass) -> Result<Plane> {
        let LanguageStream { cursor, tokens, blocks } = stream;
        let StreamPass { chunk, leave, made } = *pass;
        let length = self.config.length;
        cursor::open(b, cursor, &cursor::Open { chunk, leave, made, length, keep: self.kept() })?;
        let pass = &mut self.pass(b, tokens.sequences, chunk);
        let mut x = pass.plane("embedded", self.config.dim)?;
        let [token, position] = [self.layers.token, self.layers.position].map(|id| self.parameters.weights(id));
        let args = stream_embedding::Forward { chunk, token: &token, position: &position, tokens, cursor, x: &x };
        stream_embedding::forward(pass.b, &args)?;
        for (block, kept) in self.layers.blocks.iter().zip(blocks) {
            x = block.stream(pass, x, kept, cursor)?;
        }
        Ok(x)
    }

    /// Adds the logits [N C, 256] of what [`Language::stream`] returns. Takes x.
    ///
    /// # Errors
    /// As the operations.
    pub fn stream_logits(&self, b: &mut Builder, stream: &LanguageStream, x: Plane) -> Result<Plane> {
        let sequences = stream.tokens.sequences;
        let chunk = x.rows / sequences;
        Ok(self.head(&mut self.pass(b, sequences, chunk), x)?.0)
    }

    fn pass<'a>(&'a self, b: &'a mut Builder, batch: u32, length: u32) -> Pass<'a> {
        Pass { b, parameters: &self.parameters, batch, length, keep: false, accumulate: false, dropout: None }
    }
}
