//! Position of a stream of tokens, kept on the device (`shaders/nn/cursor.wgsl`): any number of passes can be recorded
//! ahead.

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Specialization, kernel};
use crate::ops::Builder;

/// Words of a cursor (`shaders/lib/cursor.wgsl`). Tokens are numbered from the start of the stream, modulo 2^32.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Cursor {
    /// Number of the token at position 0.
    pub origin: u32,
    /// Position of the first token that the current pass reads.
    pub position: u32,
    /// Tokens of each sequence that the current pass reads.
    pub rows: u32,
    /// Tokens of each sequence so far, with the one that the current pass makes.
    pub end: u32,
}

kernel! {
    /// `shaders/nn/cursor.wgsl`.
    struct OpenKernel = "nn/cursor", "open";
    fragments: ["cursor"],
    params: { chunk: u32, leave: u32, made: u32, length: u32, keep: u32 },
    operands: {
        write cursor: Array<'a, u32> = "cursor",
    },
}

/// A pass over a stream.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// Most tokens of each sequence that it reads, C.
    pub chunk: u32,
    /// Tokens that it always leaves unread, for the next pass.
    pub leave: u32,
    /// Tokens of each sequence that it makes.
    pub made: u32,
    /// Positions of the model, T.
    pub length: u32,
    /// Number of last tokens that are read again when all positions are used; at most T.
    pub keep: u32,
}

/// Adds the start of a pass: moves the cursor past the tokens that the previous pass read.
///
/// # Errors
/// [`Error::Shape`] if the buffer is too small; [`Error::Config`] if `length` is 0 or less than `keep`.
pub fn open(b: &mut Builder, cursor: &Buffer, pass: &Open) -> Result<()> {
    let Open { chunk, leave, made, length, keep } = *pass;
    let needed = size_of::<Cursor>() as u64;
    if cursor.size() < needed {
        return Err(Error::shape("cursor", format!("at least {needed} bytes"), cursor.size()));
    }
    if length == 0 || keep > length {
        return Err(Error::Config(format!(
            "cursor: {keep} tokens cannot be kept in {length} positions, of which there is at least one"
        )));
    }
    let call = OpenKernel { chunk, leave, made, length, keep, cursor: cursor.into() };
    let cost = Cost { flops: 10.0, bytes: 32.0 };
    b.run(&call, &b.special(), 1, cost)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(OpenKernel::KERNEL, Specialization::new(placement))]
}
