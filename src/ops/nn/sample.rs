//! The draw of a stream's next token (`shaders/nn/sample.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::nn::stream_embedding::TokenRing;

/// The largest vocabulary: a lane a token.
const MAX_VOCABULARY: u32 = 256;

/// How tokens are drawn, as the device reads it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Settings {
    /// What logits are divided by, from 1e-6 to 1e6; 0 takes the likeliest token.
    pub temperature: f32,
    /// The share of the fewest tokens that are left, in (0, 1]; 1 leaves all.
    pub top_p: f32,
    /// How many of the likeliest tokens are left; 0 leaves all.
    pub top_k: u32,
    /// What sequence 0 counts as in random numbers; sequence n is that much further on.
    pub first_sequence: u32,
    /// The seed, its lower word first.
    pub seed: [u32; 2],
}

kernel! {
    /// `shaders/nn/sample.wgsl`.
    struct SampleKernel = "nn/sample", "sample";
    fragments: ["grid", "run_time", "random", "cursor"],
    params: { sequences: u32, vocabulary: u32, mask: u32 },
    operands: {
        read logits: &'a Plane = "[N, V]",
        read cursor: Array<'a, u32> = "cursor",
        read sampling: Array<'a, u32> = "settings",
        write tokens: Array<'a, u32> = "[ring, N]",
    },
}

/// Operands of a draw.
pub struct Sample<'a> {
    /// Logits [N, V] of the next token of each sequence.
    pub logits: &'a Plane,
    /// Where the stream is ([`super::cursor`]); the token is the last there is.
    pub cursor: &'a Buffer,
    /// The [`Settings`].
    pub settings: &'a Buffer,
    /// Output: the token of each sequence.
    pub tokens: &'a TokenRing,
}

/// Adds the draw of a token of each sequence from softmax(logits / temperature), cut to the `top_k` likeliest and then to the
/// fewest whose share reaches `top_p`. Its random word is the first of pcg4d(seed, number of the token, sequence).
///
/// The likeliest token is the lowest of several. NaN counts as the lowest number, and what is beyond 1e30 as that: a token is
/// below V whatever the logits. V operations a token.
///
/// # Errors
/// [`Error::Shape`] if an operand does not fit the tokens; [`Error::LimitExceeded`] for more than 256 tokens.
pub fn sample(b: &mut Builder, args: &Sample<'_>) -> Result<()> {
    let Sample { logits, cursor, settings, tokens } = *args;
    tokens.check("sample")?;
    expect_shape("sample: rows of logits", tokens.sequences, logits.rows)?;
    let needed = size_of::<Settings>() as u64;
    if settings.size() < needed || logits.cols == 0 {
        let got = format!("{} bytes, {} tokens", settings.size(), logits.cols);
        return Err(Error::shape("sample: settings and vocabulary", format!("{needed} bytes, a token"), got));
    }
    if logits.cols > MAX_VOCABULARY {
        return Err(Error::LimitExceeded {
            what: "sampling from a vocabulary".into(),
            limit: "tokens of a vocabulary",
            needed: logits.cols.into(),
            granted: MAX_VOCABULARY.into(),
            advice: "a smaller vocabulary".into(),
        });
    }
    let call = SampleKernel {
        sequences: tokens.sequences,
        vocabulary: logits.cols,
        mask: tokens.mask(),
        logits,
        cursor: cursor.into(),
        sampling: settings.into(),
        tokens: (&tokens.buffer).into(),
    };
    let values = f64::from(logits.rows) * f64::from(logits.cols);
    let cost = Cost { flops: 4.0 * values * f64::from(logits.cols), bytes: 4.0 * values };
    let variant = Specialization::new(b.placement);
    b.run(&call, &variant, tokens.sequences.into(), cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(SampleKernel::KERNEL, Specialization::new(placement))]
}
