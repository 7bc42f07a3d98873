//! AFT-local over a stream of tokens (`shaders/aft/local_stream.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::aft::{band, stream};
use crate::ops::trips::{self, MAX_TRIPS};

params! {
    /// As in `shaders/aft/local_stream.wgsl`.
    Params {
        sequences: u32, chunk: u32, width: u32, window: u32, qkv_stride: u32, band_stride: u32, y_stride: u32,
    }
}

static STREAM: Kernel = Kernel {
    stem: "aft/local_stream",
    entry: "stream",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/cursor.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_window.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/lib/aft_stream.wgsl"),
        include_str!("../../../shaders/aft/local_stream.wgsl"),
    ],
    params: Params::FIELDS,
    operands: &[
        Operand::plane("qkv", "[N C, 3 D]"),
        Operand::plane("band", "[T, ages]"),
        Operand::array("cursor", "u32", "cursor"),
        Operand::array_out("sums", "vec4<f32>", "[N, 5, D]"),
        Operand::array_out("ring", "vec4<f32>", "[N, window, 2, D]"),
        Operand::plane_out("y", "[N C, D]"),
    ],
};

/// Operands of a pass over the next tokens of a stream.
pub struct Forward<'a> {
    /// Sequences, N.
    pub sequences: u32,
    /// Tokens of a sequence that the planes have room for, C.
    pub chunk: u32,
    /// The window s, at least 1.
    pub window: u32,
    /// Queries, keys and values [N C, 3 D4] ([`super::qkv_cols`]).
    pub qkv: &'a Plane,
    /// The biases of all positions, as [`band::forward`] lays them out [T, [`band::cols`]].
    pub band: &'a Plane,
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
    32 * u64::from(sequences) * u64::from(window.min(time)) * u64::from(channels.div_ceil(4))
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

/// Adds what [`super::local::forward`] gives for the rows of the pass, after all that the stream has read before. About 20 s +
/// 60 flops and 8 s + 28 bytes an element, whatever the position.
///
/// Exact for any finite q and |v| <= 1e30; |k| and |w| count as 1e30 beyond it.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit; [`crate::Error::LimitExceeded`] for a chunk past [`longest_chunk`].
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { sequences, chunk, window, qkv, band, cursor, sums, ring, y } = *args;
    let time = band.rows;
    stream::check("aft local stream", sequences, chunk, qkv, sums, y)?;
    expect_shape("aft local stream: band", (time, band::cols(time, window)), (band.rows, band.cols))?;
    let window = window.min(time);
    trips::check("aft local stream: a chunk", u64::from(chunk) * row_trips(window))?;
    let needed = ring_bytes(sequences, time, window, y.cols);
    if window == 0 || ring.size() < needed {
        let expected = format!("a window of at least 1, {needed} bytes");
        return Err(Error::shape("aft local stream: ring", expected, format!("{window}, {} bytes", ring.size())));
    }
    let width = y.stride();
    let params = Params {
        sequences,
        chunk,
        width,
        window,
        qkv_stride: qkv.stride(),
        band_stride: band.stride(),
        y_stride: width,
    };
    let binds = [
        Bind::Plane(qkv),
        Bind::Plane(band),
        Bind::Buffer(cursor),
        Bind::Buffer(sums),
        Bind::Buffer(ring),
        Bind::Plane(y),
    ];
    let elements = 4.0 * f64::from(y.rows) * f64::from(width);
    let window = f64::from(window);
    let cost = Cost { flops: (20.0 * window + 60.0) * elements, bytes: (8.0 * window + 28.0) * elements };
    let (variant, groups) = stream::grid(b, sequences, width);
    let dispatch = b.gpu.dispatch(&STREAM, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    stream::variants(&STREAM, placement).into()
}
