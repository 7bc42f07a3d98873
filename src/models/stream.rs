//! Streaming inference of the language model. State between passes has a fixed size; only attention has a key-value cache for
//! every position.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Plane};
use crate::models::language::Language;
use crate::nn::{BlockStream, Pass};
use crate::ops::Builder;
use crate::ops::nn::cursor::{self, Cursor};
use crate::ops::nn::stream_embedding::{self, TokenRing};

/// Device state of a stream: its position, its latest tokens, and the state of each layer.
#[derive(Debug)]
pub struct LanguageStream {
    /// The [`Cursor`].
    pub cursor: Buffer,
    /// Ring buffer of the tokens from the origin on, larger than T.
    pub tokens: TokenRing,
    /// State of each block.
    pub blocks: Vec<BlockStream>,
}

/// Sizes of a pass over the next tokens of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamPass {
    /// Maximum number of tokens read from each sequence, C.
    pub chunk: u32,
    /// Number of tokens left for the next pass.
    pub leave: u32,
    /// Number of tokens generated for each sequence.
    pub made: u32,
}

impl Language {
    /// Creates the state of a stream of `sequences`, at its start. The token ring holds `ahead` tokens more than the model has
    /// positions. Run the builder's program once before any pass: it copies biases from the weights, which must not change while
    /// the stream is in use.
    ///
    /// # Errors
    /// [`Error::Config`] if `sequences` is 0; [`Error::LimitExceeded`].
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

    /// Number of tokens read again when all positions are used: T/2, but at least 1.
    pub fn kept(&self) -> u32 {
        (self.config.length / 2).max(1)
    }

    /// Records a pass over the next tokens of a stream and returns the last block's output [N C, D].
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

    /// Records the logits [N C, 256] from the output `x` of [`Language::stream`].
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
