//! Token and learned position embeddings of tokens in the middle of a sequence.
//!
//! ```text
//! x[b, i, :] = token_table[tokens[b, i], :] + position[first + i, :]
//! ```
use super::embedding;
use crate::reference::Dims;

/// x `[B, T, D]` of `tokens` `[B, T]`, the first at position `first`, with `token_table` `[V, D]` and `position` `[..,
/// D]`.
pub fn forward(dims: Dims, first: usize, tokens: &[u32], token_table: &[f64], position: &[f64]) -> Vec<f64> {
    embedding::forward(dims, tokens, token_table, &position[first * dims.d..][..dims.t * dims.d]).x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_the_first() {
        let dims = Dims { b: 2, t: 2, d: 1 };
        let x = forward(dims, 3, &[0, 1, 1, 0], &[10.0, 20.0], &[0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(x, [13.0, 24.0, 23.0, 14.0]);
    }
}
