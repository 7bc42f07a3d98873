//! AFT-simple over a stream of tokens (`shaders/aft/simple_stream.wgsl`).

use crate::error::Result;
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::stream;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/simple_stream.wgsl`.
    struct StreamKernel = "aft/simple_stream", "stream";
    fragments: ["grid", "cursor", "aft_bounds", "aft_state", "aft_qkv", "aft_gate", "aft_stream"],
    params: { sequences: u32, chunk: u32, width: u32 },
    operands: {
        read qkv: &'a Plane = "[N C, 3 D]",
        read cursor: Array<'a, u32> = "cursor",
        write sums: Array<'a, [f32; 4]> = "[N, 5, D]",
        write y: &'a Plane = "[N C, D]",
    },
}

/// Operands of a pass over the next tokens of a stream.
pub struct Forward<'a> {
    /// Sequences, N.
    pub sequences: u32,
    /// Tokens of a sequence that the planes have room for, C.
    pub chunk: u32,
    /// Queries, keys and values [N C, 3 D4] ([`super::qkv_cols`]).
    pub qkv: &'a Plane,
    /// Where the stream is ([`crate::ops::nn::cursor`]).
    pub cursor: &'a Buffer,
    /// The sums over what was read, carried on ([`super::stream::sums_bytes`]).
    pub sums: &'a Buffer,
    /// Output [N C, D]; rows past those that the cursor gives stay as they are.
    pub y: &'a Plane,
}

/// Adds what [`super::mix::forward`] gives for the rows of the pass, after all that the stream has read before. About 30
/// flops and 20 bytes an element, whatever the position.
///
/// Exact for any finite q and |v| <= 1e30; |k| counts as 1e30 beyond it.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit; [`crate::Error::LimitExceeded`] for a chunk past 32,000.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { sequences, chunk, qkv, cursor, sums, y } = *args;
    stream::check("aft simple stream", sequences, chunk, qkv, sums, y)?;
    trips::check("aft simple stream: a chunk", u64::from(chunk))?;
    let width = y.stride();
    let call = StreamKernel { sequences, chunk, width, qkv, cursor: cursor.into(), sums: sums.into(), y };
    let elements = 4.0 * f64::from(y.rows) * f64::from(width);
    let cost = Cost { flops: 30.0 * elements, bytes: 20.0 * elements };
    let (variant, groups) = stream::grid(b, sequences, width);
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    stream::variants(StreamKernel::KERNEL, placement).into()
}
