//! Sampling of a stream's next token (`shaders/nn/sample.wgsl`).

use crate::error::{Error, Result, expect_count};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::nn::stream_embedding::TokenRing;

/// Largest vocabulary: one lane per token.
const MAX_VOCABULARY: u32 = 256;

/// Sampling settings in the device's layout.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Settings {
    /// Divisor of the logits, from 1e-6 to 1e6; 0 takes the likeliest token.
    pub temperature: f32,
    /// Nucleus: keeps the fewest tokens with this share of the probability, in (0, 1]; 1 keeps all.
    pub top_p: f32,
    /// Number of likeliest tokens to keep; 0 keeps all.
    pub top_k: u32,
    /// Random-number counter of sequence 0; sequence n uses `first_sequence` + n.
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
    /// Position in the stream ([`super::cursor`]); the drawn token becomes its last one.
    pub cursor: &'a Buffer,
    /// The [`Settings`].
    pub settings: &'a Buffer,
    /// Output: the token of each sequence.
    pub tokens: &'a TokenRing,
}

/// Adds the draw of one token for each sequence from softmax(logits / temperature), cut to the `top_k` likeliest and
/// then to the fewest whose share reaches `top_p`. The random word is the first of pcg4d(seed, number of the token,
/// sequence).
///
/// Ties go to the lowest token. NaN counts as the lowest number, and logits are clamped to +-1e30, so the token is
/// always below V. V operations for each of V tokens.
///
/// # Errors
/// [`Error::Shape`] if an operand does not fit the tokens; [`Error::LimitExceeded`] for more than 256 tokens.
pub fn sample(b: &mut Builder, args: &Sample<'_>) -> Result<()> {
    let Sample { logits, cursor, settings, tokens } = *args;
    tokens.check("sample")?;
    expect_count("sample: logits", "rows", tokens.sequences, logits.rows)?;
    let needed = size_of::<Settings>() as u64;
    if settings.size() < needed || logits.cols == 0 {
        let got = format!("{} bytes, {} tokens", settings.size(), logits.cols);
        return Err(Error::shape(
            "sample: settings and vocabulary",
            format!("at least {needed} bytes, at least 1 token"),
            got,
        ));
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
