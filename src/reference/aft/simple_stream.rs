//! AFT-simple over a stream (causal Eq. 5), with one state per channel.
//!
//! ```text
//! state_t = state_(t-1) merged with (k_t, v_t),  y_t = sigmoid(q_t) * mean of state_t
//! ```
use super::{gate, state::State};
use crate::reference::Dims;

/// State of B sequences of D channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    states: Vec<State>,
}

impl Stream {
    /// The state before the first token.
    pub fn new(sequences: usize, channels: usize) -> Self {
        Self { states: vec![State::EMPTY; sequences * channels] }
    }

    /// y `[B, T, D]` of the next T tokens with q, k and v `[B, T, D]`; without `q` the gate is 1.
    pub fn forward(&mut self, dims: Dims, q: Option<&[f64]>, k: &[f64], v: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; dims.size()];
        for (b, d) in dims.sequences() {
            let state = &mut self.states[b * dims.d + d];
            for t in 0..dims.t {
                let i = dims.at(b, t, d);
                state.push(k[i], v[i]);
                y[i] = gate(q, i).0 * state.mean();
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::aft::simple;
    use crate::reference::differences::{assert_close, normal};

    #[test]
    fn any_chunks_give_what_the_whole_gives() {
        let dims = Dims { b: 1, t: 20, d: 3 };
        let [q, k, v] = [1, 2, 3].map(|stream| normal(stream, dims.size()));
        let whole = simple::forward(dims, true, Some(&q), &k, &v).y;
        for chunk in [1, 2, 7, 20] {
            let mut stream = Stream::new(1, 3);
            let mut y = Vec::new();
            for first in (0..dims.t).step_by(chunk) {
                let dims = Dims { t: chunk.min(dims.t - first), ..dims };
                let [q, k, v] = [&q, &k, &v].map(|x| &x[3 * first..][..dims.size()]);
                y.extend(stream.forward(dims, Some(q), k, v));
            }
            assert_close("y", &y, &whole, 1e-14);
        }
    }
}
