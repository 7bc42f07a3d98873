//! AFT-simple over a stream of tokens (`shaders/aft/simple_stream.wgsl`).

use crate::error::Result;
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::aft::stream;
use crate::ops::{Builder, trips};

params! {
    /// As in `shaders/aft/simple_stream.wgsl`.
    Params { sequences: u32, chunk: u32, width: u32, qkv_stride: u32, y_stride: u32 }
}

static STREAM: Kernel = Kernel {
    stem: "aft/simple_stream",
    entry: "stream",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/cursor.wgsl"),
        include_str!("../../../shaders/lib/aft_bounds.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_gate.wgsl"),
        include_str!("../../../shaders/lib/aft_stream.wgsl"),
        include_str!("../../../shaders/aft/simple_stream.wgsl"),
    ],
    params: Params::FIELDS,
    operands: &[
        Operand::plane("qkv", "[N C, 3 D]"),
        Operand::array("cursor", "u32", "cursor"),
        Operand::array_out("sums", "vec4<f32>", "[N, 5, D]"),
        Operand::plane_out("y", "[N C, D]"),
    ],
};

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
    let params = Params { sequences, chunk, width, qkv_stride: qkv.stride(), y_stride: width };
    let binds = [Bind::Plane(qkv), Bind::Buffer(cursor), Bind::Buffer(sums), Bind::Plane(y)];
    let elements = 4.0 * f64::from(y.rows) * f64::from(width);
    let cost = Cost { flops: 30.0 * elements, bytes: 20.0 * elements };
    let (variant, groups) = stream::grid(b, sequences, width);
    let dispatch = b.gpu.dispatch(&STREAM, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    stream::variants(&STREAM, placement).into()
}
