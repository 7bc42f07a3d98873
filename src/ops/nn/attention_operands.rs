//! Operands of attention, forward and backward: shapes and their checks.

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Buffer, Plane};
use crate::ops::aft::qkv_cols;
use crate::ops::nn::attention_heads::Layout;
use crate::ops::{Builder, trips};

/// Shape and masking of attention.
#[derive(Clone, Copy)]
pub struct Attention<'a> {
    /// Sequences, B.
    pub batch: u32,
    /// Positions in a sequence, T, at most 131,072.
    pub time: u32,
    /// Channels, D.
    pub channels: u32,
    /// Heads, H, which divide the channels.
    pub heads: u32,
    /// Whether a row sees only keys up to its own position.
    pub causal: bool,
    /// Key mask, [B, T] words: 0 masks a key out. A masked key may hold anything and gets no gradient. Without a mask
    /// all keys count. A row that sees no key gives y = 0 and no gradient.
    pub mask: Option<&'a Buffer>,
}

/// Output of a forward pass.
#[derive(Debug, Clone)]
pub struct Attended {
    /// Weighted means of the values [B T, D].
    pub y: Plane,
    /// L, the log-sum-exp of the scores of each row and head, in nats: [B T, H] floats.
    pub log_den: Buffer,
}

impl Attended {
    /// Allocates an output.
    ///
    /// # Errors
    /// [`Error::Config`] if B, T, D or H is 0; [`Error::LimitExceeded`] if B T exceeds 32 bits; as [`Plane::new`].
    pub fn new(b: &mut Builder, attention: &Attention<'_>) -> Result<Self> {
        let rows = attention.rows()?;
        let y = b.plane("attention y", rows, attention.channels)?;
        let log_den = b.scratch("attention log_den", 4 * u64::from(rows) * u64::from(attention.heads))?;
        Ok(Self { y, log_den })
    }
}

impl Attention<'_> {
    /// Rows, B T.
    pub(super) fn rows(&self) -> Result<u32> {
        let Self { batch, time, channels, heads, .. } = *self;
        if [batch, time, channels, heads].contains(&0) {
            let text = format!("attention: B, T, D and H are at least 1, not {batch}, {time}, {channels} and {heads}");
            return Err(Error::Config(text));
        }
        batch.checked_mul(time).ok_or_else(|| too_many("attention over all positions of a batch", batch, time))
    }

    pub(super) fn check(&self, qkv: &Plane, out: &Attended) -> Result<()> {
        let Self { batch, time, channels, heads, .. } = *self;
        let rows = self.rows()?;
        if !channels.is_multiple_of(heads) {
            return Err(Error::Config(format!("attention: H = {heads} heads do not divide D = {channels} channels")));
        }
        if time > LONGEST {
            return Err(Error::LimitExceeded {
                what: "attention over a sequence (positions)".into(),
                limit: "positions",
                needed: time.into(),
                granted: LONGEST.into(),
                advice: "a smaller length".into(),
            });
        }
        expect_shape("attention: y", (rows, channels), (out.y.rows, out.y.cols))?;
        expect_shape("attention: qkv", (rows, qkv_cols(channels)), (qkv.rows, qkv.cols))?;
        batch.checked_mul(heads).ok_or_else(|| too_many("attention over all heads of a batch", batch, heads))?;
        // The tiled product has two nested loops over the channels: steps of four vec4s, and the vec4s of a step.
        let head_width = Layout::of(channels, heads).head_width();
        trips::check("attention: the channels of a head", 2 * u64::from(head_width))?;
        let words = 4 * u64::from(rows);
        for (name, needed, buffer) in [
            ("attention: log_den", words * u64::from(heads), Some(&out.log_den)),
            ("attention: mask", words, self.mask),
        ] {
            if let Some(buffer) = buffer.filter(|buffer| buffer.size() < needed) {
                return Err(Error::shape(name, format!("at least {needed} bytes"), buffer.size()));
            }
        }
        Ok(())
    }
}

fn too_many(what: &str, batch: u32, each: u32) -> Error {
    Error::LimitExceeded {
        what: what.into(),
        limit: "rows of a plane",
        needed: u64::from(batch) * u64::from(each),
        granted: u32::MAX.into(),
        advice: "a smaller batch".into(),
    }
}

/// The longest sequence.
const LONGEST: u32 = 131_072;
