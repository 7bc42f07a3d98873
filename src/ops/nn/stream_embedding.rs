//! Token and position embeddings of a stream's next tokens (`shaders/nn/stream_embedding.wgsl`).

use crate::error::{Error, Result, expect_count, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, Weights, kernel};
use crate::ops::trips::LANES;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/nn/stream_embedding.wgsl`.
    struct ForwardKernel = "nn/stream_embedding", "forward";
    fragments: ["grid", "run_time", "cursor"],
    params: { sequences: u32, chunk: u32, width: u32, mask: u32 },
    operands: {
        read token: &'a Weights = "[V, D]",
        read position: &'a Weights = "[T, D]",
        read tokens: Array<'a, u32> = "[ring, N]",
        read cursor: Array<'a, u32> = "cursor",
        write x: &'a Plane = "[N C, D]",
    },
}

/// Ring of a stream's tokens on the device: token i of sequence n is at word i % slots * N + n.
#[derive(Debug, Clone)]
pub struct TokenRing {
    /// Words [slots, N], each a token.
    pub buffer: Buffer,
    /// Tokens of a sequence in the ring, a power of two.
    pub slots: u32,
    /// Sequences, N.
    pub sequences: u32,
}

impl TokenRing {
    /// Mask with i % slots = i & mask.
    pub(crate) fn mask(&self) -> u32 {
        self.slots - 1
    }

    /// Fails unless the buffer has its stated size and `slots` is a power of two.
    pub(crate) fn check(&self, op: &str) -> Result<()> {
        let needed = 4 * u64::from(self.slots) * u64::from(self.sequences);
        if self.slots.is_power_of_two() && self.sequences > 0 && self.buffer.size() >= needed {
            return Ok(());
        }
        let expected = format!("a power of two of slots in at least {needed} bytes");
        Err(Error::shape(
            format!("{op}: tokens"),
            expected,
            format!("{} slots in {} bytes", self.slots, self.buffer.size()),
        ))
    }
}

/// Operands of a pass.
pub struct Forward<'a> {
    /// Rows of a sequence in x, C: the most tokens of a pass.
    pub chunk: u32,
    /// Token table [V, D]; each token of the ring is below V.
    pub token: &'a Weights,
    /// Position table [T, D].
    pub position: &'a Weights,
    /// The tokens.
    pub tokens: &'a TokenRing,
    /// Position in the stream ([`super::cursor`]).
    pub cursor: &'a Buffer,
    /// Output [N C, D]; rows that the pass does not use keep their values.
    pub x: &'a Plane,
}

/// Adds `x = token[tokens] + position` for the tokens at the cursor. About 1 flop and 12 bytes an element.
///
/// # Errors
/// [`Error::Shape`] if an operand does not fit x; [`Error::LimitExceeded`] above 4,096,000 channels.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { chunk, token, position, tokens, cursor, x } = *args;
    let op = "stream embedding";
    tokens.check(op)?;
    expect_count(&format!("{op}: x"), "rows", u64::from(tokens.sequences) * u64::from(chunk), x.rows.into())?;
    expect_shape(&format!("{op}: columns of both tables"), [x.cols; 2], [token.cols, position.cols])?;
    let width = u64::from(x.stride());
    let call = ForwardKernel {
        sequences: tokens.sequences,
        chunk,
        width: x.stride(),
        mask: tokens.mask(),
        token,
        position,
        tokens: (&tokens.buffer).into(),
        cursor: cursor.into(),
        x,
    };
    let lanes = trips::lanes(b.tuning().shared_rows, op, &LANES, |lanes| width.div_ceil(lanes))?;
    let variant = b.special().with("LANES", lanes);
    let groups = (u64::from(x.rows) * u64::from(lanes)).div_ceil(64);
    let elements = f64::from(x.rows) * f64::from(x.cols);
    let cost = Cost { flops: elements, bytes: 12.0 * elements };
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let variant = |lanes| Specialization::new(placement).with("LANES", lanes);
    LANES.map(|lanes| (ForwardKernel::KERNEL, variant(lanes))).into()
}
