//! Token and learned position embeddings.
//!
//! ```text
//! x[b, t, :] = token_table[tokens[b, t], :] + position[t, :]
//! ```
//!
//! The gradient of a table's row sums dx over the elements that read it.
use crate::reference::Dims;

/// The embedded sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `[B, T, D]`.
    pub x: Vec<f64>,
}

/// Gradients of the tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the token table `[V, D]`.
    pub d_token: Vec<f64>,
    /// Of the positions `[T, D]`.
    pub d_position: Vec<f64>,
}

/// Embeds `tokens` `[B, T]`, each below V, with `token_table` `[V, D]` and `position` `[T, D]`.
pub fn forward(dims: Dims, tokens: &[u32], token_table: &[f64], position: &[f64]) -> Forward {
    debug_assert_eq!(tokens.len(), dims.b * dims.t);
    debug_assert_eq!(position.len(), dims.t * dims.d);
    let mut x = vec![0.0; dims.size()];
    for (row, &token) in tokens.iter().enumerate() {
        let t = row % dims.t;
        for d in 0..dims.d {
            x[row * dims.d + d] = token_table[token as usize * dims.d + d] + position[t * dims.d + d];
        }
    }
    Forward { x }
}

/// The gradient of [`forward`] for `dx` `[B, T, D]` and a table of `vocabulary` tokens, V.
pub fn gradient(dims: Dims, vocabulary: usize, tokens: &[u32], dx: &[f64]) -> Gradient {
    debug_assert_eq!(tokens.len(), dims.b * dims.t);
    debug_assert_eq!(dx.len(), dims.size());
    let mut out = Gradient { d_token: vec![0.0; vocabulary * dims.d], d_position: vec![0.0; dims.t * dims.d] };
    for (row, &token) in tokens.iter().enumerate() {
        let t = row % dims.t;
        for d in 0..dims.d {
            out.d_token[token as usize * dims.d + d] += dx[row * dims.d + d];
            out.d_position[t * dims.d + d] += dx[row * dims.d + d];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_gradient, dot, normal};

    #[test]
    fn every_element_is_its_token_plus_its_position() {
        let dims = Dims { b: 2, t: 2, d: 1 };
        let x = forward(dims, &[2, 0, 0, 2], &[1.0, 2.0, 3.0], &[10.0, 20.0]).x;
        assert_eq!(x, [13.0, 21.0, 11.0, 23.0]);
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let (dims, vocabulary) = (Dims { b: 3, t: 5, d: 3 }, 7);
        // Tokens 0 to 6, some several times.
        let tokens: Vec<u32> = (0..15).map(|i| i * i % 7).collect();
        let (table, position, dx) = (normal(1, 21), normal(2, 15), normal(3, dims.size()));
        let grad = gradient(dims, vocabulary, &tokens, &dx);
        assert_gradient("d_token", &grad.d_token, &table, |table| {
            dot(&forward(dims, &tokens, table, &position).x, &dx)
        });
        assert_gradient("d_position", &grad.d_position, &position, |position| {
            dot(&forward(dims, &tokens, &table, position).x, &dx)
        });
    }
}
