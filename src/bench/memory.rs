//! Memory against T in three columns: a variant, tiled attention, and attention that stores its T x T maps.

use super::Row;
use super::crossing::Contest;

/// How [`stored`] is computed, for a reader of the numbers.
pub const FORMULA: &str = "computed from shapes: 4 B T D bytes for each of q, k, v and y, with gradients for dq, dk, dv and dy as \
                           well, and 4 B H T² bytes for each T × T map that is stored: one forward (the weights), two with \
                           gradients (the weights and their gradient)";

/// Bytes at one T.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory<'b> {
    /// The variant's row.
    pub row: &'b Row,
    /// Measured bytes of the variant.
    pub variant: Option<u64>,
    /// Measured bytes of tiled attention.
    pub tiled: Option<u64>,
    /// Computed bytes of attention that stores its maps ([`stored`]).
    pub stored: Option<u64>,
}

/// Memory of a variant and of attention, at each common T.
pub fn memory<'b>(contest: &Contest<'_, 'b>) -> Vec<Memory<'b>> {
    let line = |(row, attention): (&'b Row, &'b Row)| Memory {
        row,
        variant: row.peak_bytes,
        tiled: attention.peak_bytes,
        stored: stored(attention),
    };
    contest.pairs().into_iter().map(line).collect()
}

/// Bytes of attention with a row's shape that stores its maps ([`FORMULA`]). None for a whole model, because its row lacks sizes.
pub fn stored(attention: &Row) -> Option<u64> {
    let (planes, maps) = match (attention.op.as_str(), attention.direction.as_str()) {
        ("attention", "forward") => (4, 1),
        ("attention", "gradient") => (8, 2),
        _ => return None,
    };
    let [sequences, length, channels, heads] = [attention.B?, attention.T?, attention.D?, attention.H?].map(u64::from);
    let row = 4_u64.checked_mul(sequences)?.checked_mul(length)?;
    let plane = row.checked_mul(channels)?;
    let map = row.checked_mul(heads)?.checked_mul(length)?;
    plane.checked_mul(planes)?.checked_add(map.checked_mul(maps)?)
}
