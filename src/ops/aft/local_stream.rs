//! AFT with biases over a stream of tokens (`shaders/aft/local_stream.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::aft::biases::StreamBias;
use crate::ops::aft::panels::heads;
use crate::ops::aft::stream;
use crate::ops::trips::{self, MAX_TRIPS};

kernel! {
    /// `shaders/aft/local_stream.wgsl`.
    struct StreamKernel = "aft/local_stream", "stream";
    fragments: ["grid", "cursor", "aft_bounds", "aft_state", "aft_qkv", "aft_seen", "aft_biases", "aft_gate", "aft_stream"],
    params: {
        sequences: u32, chunk: u32, width: u32, cols: u32, time: u32, first_row: u32, causal: u32, reach: u32,
        slides: u32, ahead: u32, period: u32, head_channels: u32,
    },
    operands: {
        read qkv: &'a Plane = "[N C, 3 D]",
        read bias: &'a Plane = "[heads period, columns]",
        read cursor: Array<'a, u32> = "cursor",
        write sums: Array<'a, [f32; 4]> = "[N, 5, D]",
        write ring: Array<'a, [f32; 4]> = "[N, reach, 2, D]",
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
    /// The biases of all positions.
    pub bias: &'a StreamBias,
    /// Where the stream is ([`crate::ops::nn::cursor`]).
    pub cursor: &'a Buffer,
    /// The sums over the keys before the window, carried on ([`super::stream::sums_bytes`]).
    pub sums: &'a Buffer,
    /// The keys and values of the window, carried on ([`ring_bytes`]).
    pub ring: &'a Buffer,
    /// Output [N C, D]; rows past those that the cursor gives stay as they are.
    pub y: &'a Plane,
}

/// Bytes of the last min(s, T) keys and values of N sequences of D channels: [N, min(s, T), 2, D4] vec4s.
pub fn ring_bytes(sequences: u32, time: u32, window: u32, channels: u32) -> u64 {
    let keys = u64::from(sequences) * u64::from(window.min(time));
    keys.saturating_mul(32 * u64::from(channels.div_ceil(4)))
}

/// The most tokens of a sequence that a pass may read with a window of s; 0 if there is no such pass.
pub fn longest_chunk(time: u32, window: u32) -> u32 {
    (MAX_TRIPS / row_trips(window.min(time))) as u32
}

/// Loop iterations that a row takes: itself, the blocks of its window, and the spans of these.
fn row_trips(window: u32) -> u64 {
    let blocks = u64::from(window / 4 + 2);
    1 + blocks + blocks.div_ceil(64)
}

/// Adds what [`super::mix::forward`] gives for the rows of the pass, after all that the stream has read before. About 20 s +
/// 60 flops and 8 s + 28 bytes an element, whatever the position.
///
/// Exact for any finite q and |v| <= 1e30; |k| and |w| count as 1e30 beyond it.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit; [`crate::Error::LimitExceeded`] for a chunk past [`longest_chunk`].
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { sequences, chunk, qkv, bias, cursor, sums, ring, y } = *args;
    let StreamBias { plane, layout, time } = bias;
    let window = layout.reach;
    stream::check("aft stream", sequences, chunk, qkv, sums, y)?;
    trips::check("aft stream: a chunk", u64::from(chunk) * row_trips(window))?;
    let needed = ring_bytes(sequences, *time, window, y.cols);
    if window == 0 || ring.size() < needed {
        let expected = format!("at least {needed} bytes, for a window of at least 1");
        return Err(Error::shape(
            "aft stream: ring",
            expected,
            format!("{} bytes for a window of {window}", ring.size()),
        ));
    }
    let width = y.stride();
    let call = StreamKernel {
        sequences,
        chunk,
        width,
        cols: y.cols,
        time: *time,
        first_row: 0,
        causal: 1,
        reach: window,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        period: layout.period,
        head_channels: layout.head_channels.unwrap_or(1),
        qkv,
        bias: plane,
        cursor: cursor.into(),
        sums: sums.into(),
        ring: ring.into(),
        y,
    };
    let elements = 4.0 * f64::from(y.rows) * f64::from(width);
    let window = f64::from(window);
    let cost = Cost { flops: (20.0 * window + 60.0) * elements, bytes: (8.0 * window + 28.0) * elements };
    let (mut variant, groups) = stream::grid(b, sequences, width);
    variant.constants.push(("HEADS", heads(layout.head_channels)));
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let of_heads = |heads| {
        stream::variants(StreamKernel::KERNEL, placement).into_iter().map(move |(kernel, mut variant)| {
            variant.constants.push(("HEADS", heads));
            (kernel, variant)
        })
    };
    (0..3).flat_map(of_heads).collect()
}
