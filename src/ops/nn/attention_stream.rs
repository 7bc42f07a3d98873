//! Multi-head softmax attention over a stream of tokens, with the keys and values of all positions kept
//! (`shaders/nn/attention_stream.wgsl`, `attention_append.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::qkv_cols;
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/nn/attention_stream.wgsl`.
    StreamParams {
        rows: u32, chunk: u32, time: u32, heads: u32, head_width: u32, parts: u32, scale: f32, qkv_stride: u32, y_stride: u32,
    }
}

params! {
    /// As in `shaders/nn/attention_append.wgsl`.
    AppendParams { rows: u32, chunk: u32, time: u32, width: u32, qkv_stride: u32 }
}

static STREAM: Kernel = Kernel {
    stem: "nn/attention_stream",
    entry: "stream",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/cursor.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/lib/row_max.wgsl"),
        include_str!("../../../shaders/nn/attention_stream.wgsl"),
    ],
    params: StreamParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[N C, 3 D]"),
        Operand::array("cursor", "u32", "cursor"),
        Operand::array("cache", "vec4<f32>", "[N, T, 2, D]"),
        Operand::plane_out("y", "[N C, D]"),
    ],
};

static APPEND: Kernel = Kernel {
    stem: "nn/attention_append",
    entry: "append",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/cursor.wgsl"),
        include_str!("../../../shaders/nn/attention_append.wgsl"),
    ],
    params: AppendParams::FIELDS,
    operands: &[
        Operand::plane("qkv", "[N C, 3 D]"),
        Operand::array("cursor", "u32", "cursor"),
        Operand::array_out("cache", "vec4<f32>", "[N, T, 2, D]"),
    ],
};

/// Operands of a pass over the next tokens of a stream.
pub struct Forward<'a> {
    /// Sequences, N.
    pub sequences: u32,
    /// Tokens of a sequence that the planes have room for, C.
    pub chunk: u32,
    /// Positions that there are, T.
    pub time: u32,
    /// Heads, H, of whole vec4s each.
    pub heads: u32,
    /// Queries, keys and values [N C, 3 D4] ([`qkv_cols`]).
    pub qkv: &'a Plane,
    /// Where the stream is ([`crate::ops::nn::cursor`]).
    pub cursor: &'a Buffer,
    /// Keys and values of the positions so far, carried on ([`cache_bytes`]).
    pub cache: &'a Buffer,
    /// Output [N C, D]; rows past those that the cursor gives stay as they are.
    pub y: &'a Plane,
}

/// Bytes of the keys and values of N sequences of T positions and D channels: [N, T, 2, D4] vec4s.
pub fn cache_bytes(sequences: u32, time: u32, channels: u32) -> u64 {
    32 * u64::from(sequences) * u64::from(time) * u64::from(channels.div_ceil(4))
}

/// Threads of a workgroup, the keys of a tile, and the vec4s of a head that one workgroup sums.
const GROUP: u32 = 64;

/// Adds what [`super::attention::forward`] gives for the rows of the pass, after all that the stream has read before. 4 T D flops
/// and 8 T D bytes a token at position T: unlike AFT, it costs more the longer the text.
///
/// # Errors
/// [`Error::Config`], [`Error::Shape`] if an operand does not fit; [`Error::LimitExceeded`] if T is too long: past 17,000 positions
/// for heads of 128 channels, 20,000 for smaller ones.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { sequences, chunk, time, heads, qkv, cursor, cache, y } = *args;
    if heads == 0 || !y.cols.is_multiple_of(4 * heads) {
        let text = format!("attention stream: {heads} heads do not divide {} channels into whole vec4s", y.cols);
        return Err(Error::Config(text));
    }
    expect_shape("attention stream: rows of y", u64::from(sequences) * u64::from(chunk), y.rows.into())?;
    expect_shape("attention stream: qkv", (y.rows, qkv_cols(y.cols)), (qkv.rows, qkv.cols))?;
    let needed = cache_bytes(sequences, time, y.cols);
    if cache.size() < needed {
        return Err(Error::shape("attention stream: keys and values", format!("{needed} bytes"), cache.size()));
    }
    let (width, rows) = (y.stride(), y.rows);
    let head_width = width / heads;
    // Of a tile of keys: a score, its weights' sums, and a walk over the values.
    let tile = u64::from(head_width) + 14 + u64::from(GROUP) + 1;
    trips::check("attention stream: a row", u64::from(time.div_ceil(GROUP)) * tile)?;

    let params = AppendParams { rows, chunk, time, width, qkv_stride: qkv.stride() };
    let numbers = 2.0 * 4.0 * f64::from(rows) * f64::from(width);
    let cost = Cost { flops: numbers, bytes: 8.0 * numbers };
    let binds = [Bind::Plane(qkv), Bind::Buffer(cursor), Bind::Buffer(cache)];
    let groups = (u64::from(rows) * 2 * u64::from(width)).div_ceil(64);
    let append = b.gpu.dispatch(&APPEND, &Variant::plain(b.placement), &params, &binds, groups, cost)?;
    b.program.dispatch(append);

    let parts = head_width.div_ceil(GROUP);
    let params = StreamParams {
        rows,
        chunk,
        time,
        heads,
        head_width,
        parts,
        scale: f64::from(4 * head_width).sqrt().recip() as f32,
        qkv_stride: qkv.stride(),
        y_stride: width,
    };
    let numbers = 4.0 * f64::from(rows) * f64::from(width) * f64::from(time);
    let cost = Cost { flops: 4.0 * numbers, bytes: 8.0 * numbers };
    let binds = [Bind::Plane(qkv), Bind::Buffer(cursor), Bind::Buffer(cache), Bind::Plane(y)];
    let groups = u64::from(rows) * u64::from(heads) * u64::from(parts);
    let stream = b.gpu.dispatch(&STREAM, &Variant::plain(b.placement), &params, &binds, groups, cost)?;
    b.program.dispatch(stream);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    [&STREAM, &APPEND].map(|kernel| (kernel, Variant::plain(placement))).into()
}
