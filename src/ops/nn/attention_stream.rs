//! Multi-head softmax attention over a stream of tokens, with a cache of keys and values
//! (`shaders/nn/attention_stream.wgsl`, `attention_append.wgsl`).

use crate::error::{Error, Result, expect_at_least, expect_count, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::qkv_cols;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/nn/attention_stream.wgsl`.
    struct StreamKernel = "nn/attention_stream", "stream";
    fragments: ["grid", "cursor", "row_sum", "row_max"],
    params: {
        rows: u32,
        chunk: u32,
        time: u32,
        heads: u32,
        /// vec4s of a head.
        head_width: u32,
        /// Parts of a head, of 64 vec4s each.
        parts: u32,
        scale: f32,
    },
    operands: {
        read qkv: &'a Plane = "[N C, 3 D]",
        read cursor: Array<'a, u32> = "cursor",
        read cache: Array<'a, [f32; 4]> = "[N, T, 2, D]",
        write y: &'a Plane = "[N C, D]",
    },
}

kernel! {
    /// `shaders/nn/attention_append.wgsl`.
    struct AppendKernel = "nn/attention_append", "append";
    fragments: ["grid", "cursor"],
    params: { rows: u32, chunk: u32, time: u32, width: u32 },
    operands: {
        read qkv: &'a Plane = "[N C, 3 D]",
        read cursor: Array<'a, u32> = "cursor",
        write cache: Array<'a, [f32; 4]> = "[N, T, 2, D]",
    },
}

/// Operands of a pass over the next tokens of a stream.
pub struct Forward<'a> {
    /// Sequences, N.
    pub sequences: u32,
    /// Rows of a sequence in the planes, C: the most tokens of a pass.
    pub chunk: u32,
    /// Positions, T.
    pub time: u32,
    /// Heads, H, of whole vec4s each.
    pub heads: u32,
    /// Queries, keys and values [N C, 3 D4] ([`qkv_cols`]).
    pub qkv: &'a Plane,
    /// Position in the stream ([`crate::ops::nn::cursor`]).
    pub cursor: &'a Buffer,
    /// Keys and values of all positions so far, updated by the pass ([`cache_bytes`]).
    pub cache: &'a Buffer,
    /// Output [N C, D]; rows that the pass does not use keep their values.
    pub y: &'a Plane,
}

/// Bytes of the cache for N sequences of T positions and D channels: [N, T, 2, D4] vec4s.
pub fn cache_bytes(sequences: u32, time: u32, channels: u32) -> u64 {
    32 * u64::from(sequences) * u64::from(time) * u64::from(channels.div_ceil(4))
}

/// Threads of a workgroup, keys of a tile, and vec4s of a head that one workgroup sums.
const GROUP: u32 = 64;

/// Adds causal attention for the tokens of the pass over all that the stream has read: [`super::attention::forward`]
/// for these rows. 4 T D flops and 8 T D bytes a token at position T: unlike AFT, the cost grows with the text.
///
/// # Errors
/// [`Error::Config`], [`Error::Shape`] if an operand does not fit; [`Error::LimitExceeded`] if T is too long: above
/// 17,000 positions for heads of 128 channels, 20,000 for smaller ones.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { sequences, chunk, time, heads, qkv, cursor, cache, y } = *args;
    if heads == 0 || !y.cols.is_multiple_of(4 * heads) {
        let text = format!("attention stream: {heads} heads do not divide {} channels into whole vec4s", y.cols);
        return Err(Error::Config(text));
    }
    expect_count("attention stream: y", "rows", u64::from(sequences) * u64::from(chunk), y.rows.into())?;
    expect_shape("attention stream: qkv", (y.rows, qkv_cols(y.cols)), (qkv.rows, qkv.cols))?;
    let needed = cache_bytes(sequences, time, y.cols);
    expect_at_least("attention stream: keys and values", "bytes", needed, cache.size())?;
    let (width, rows) = (y.stride(), y.rows);
    let head_width = width / heads;
    // Per tile of keys: a score, the sums of weights, and a loop over the values.
    let tile = u64::from(head_width) + 14 + u64::from(GROUP) + 1;
    trips::check("attention stream: a row", u64::from(time.div_ceil(GROUP)) * tile)?;

    let numbers = 2.0 * 4.0 * f64::from(rows) * f64::from(width);
    let cost = Cost { flops: numbers, bytes: 8.0 * numbers };
    let groups = (u64::from(rows) * 2 * u64::from(width)).div_ceil(64);
    let append = AppendKernel { rows, chunk, time, width, qkv, cursor: cursor.into(), cache: cache.into() };
    b.run(&append, &b.special(), groups, cost)?;

    let parts = head_width.div_ceil(GROUP);
    let stream = StreamKernel {
        rows,
        chunk,
        time,
        heads,
        head_width,
        parts,
        scale: f64::from(4 * head_width).sqrt().recip() as f32,
        qkv,
        cursor: cursor.into(),
        cache: cache.into(),
        y,
    };
    let numbers = 4.0 * f64::from(rows) * f64::from(width) * f64::from(time);
    let cost = Cost { flops: 4.0 * numbers, bytes: 8.0 * numbers };
    let groups = u64::from(rows) * u64::from(heads) * u64::from(parts);
    b.run(&stream, &b.special(), groups, cost)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    [StreamKernel::KERNEL, AppendKernel::KERNEL].map(|kernel| (kernel, Specialization::new(placement))).into()
}
