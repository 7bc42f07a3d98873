//! Multi-head softmax attention over a stream, with a cache of the keys and values so far.
use crate::reference::Dims;
use crate::reference::nn::attention::{Attention, forward};

/// The keys and values of one sequence, `[t, D]` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    keys: Vec<f64>,
    values: Vec<f64>,
}

impl State {
    /// Appends the next key and value `[D]`, and returns y `[D]` of the query `q` with `heads` heads.
    pub fn next(&mut self, heads: usize, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        self.keys.extend(k);
        self.values.extend(v);
        let dims = Dims { b: 1, t: self.keys.len() / q.len(), d: q.len() };
        // Only the last row is used, which sees all keys; the other queries do not matter.
        let queries = q.repeat(dims.t);
        let y = forward(&Attention { dims, heads, causal: true, mask: None }, &queries, &self.keys, &self.values).y;
        y[dims.size() - dims.d..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_close, normal};

    #[test]
    fn a_stream_gives_what_the_whole_sequence_gives() {
        let dims = Dims { b: 1, t: 7, d: 4 };
        let [q, k, v] = [1, 2, 3].map(|stream| normal(stream, dims.size()));
        let whole = forward(&Attention { dims, heads: 2, causal: true, mask: None }, &q, &k, &v).y;
        let mut state = State::default();
        let rows = q.chunks(4).zip(k.chunks(4).zip(v.chunks(4)));
        let stream: Vec<f64> = rows.flat_map(|(q, (k, v))| state.next(2, q, k, v)).collect();
        assert_close("y", &stream, &whole, 1e-14);
    }
}
