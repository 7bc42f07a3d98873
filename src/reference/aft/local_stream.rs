//! AFT-local over a stream (causal Eq. 4). Keys in the window are kept, because each row biases them anew; a key that
//! leaves the window is merged into the state of AFT-simple.
use std::collections::VecDeque;

use super::{Layout, band::Band, gate, state::State};
use crate::reference::Dims;

/// State of B sequences of D channels, with a window of s.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    window: usize,
    position: usize,
    /// Per channel and sequence: the state of the keys before the window, and the keys and values in it.
    channels: Vec<(State, VecDeque<(f64, f64)>)>,
}

impl Stream {
    /// The state before the first token.
    pub fn new(sequences: usize, channels: usize, window: usize) -> Self {
        Self { window, position: 0, channels: vec![(State::EMPTY, VecDeque::new()); sequences * channels] }
    }

    /// y `[B, T, D]` of the next T tokens with q, k and v `[B, T, D]`. `band` `[positions, s]` covers all positions, in
    /// the layout of [`super::band`]; without `q` the gate is 1.
    pub fn forward(&mut self, dims: Dims, q: Option<&[f64]>, k: &[f64], v: &[f64], band: &[f64]) -> Vec<f64> {
        let layout = Band { t: self.position + dims.t, window: self.window, causal: true };
        let mut y = vec![0.0; dims.size()];
        for (b, d) in dims.sequences() {
            let (past, pairs) = &mut self.channels[b * dims.d + d];
            for t in 0..dims.t {
                let (i, position) = (dims.at(b, t, d), self.position + t);
                pairs.push_back((k[i], v[i]));
                while pairs.len() > self.window {
                    pairs.pop_front().into_iter().for_each(|(key, value)| past.push(key, value));
                }
                let mut state = *past;
                for (age, &(key, value)) in pairs.iter().rev().enumerate() {
                    let entry = layout.entry(0, position, position - age);
                    state.push(key + entry.map_or(0.0, |entry| band[entry]), value);
                }
                y[i] = gate(q, i).0 * state.mean();
            }
        }
        self.position += dims.t;
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::aft::local;
    use crate::reference::differences::{assert_close, normal};

    #[test]
    fn any_chunks_give_what_the_whole_gives() {
        let dims = Dims { b: 1, t: 20, d: 3 };
        let [q, k, v] = [1, 2, 3].map(|stream| normal(stream, dims.size()));
        for window in [0, 1, 2, 6, 20, 25] {
            let band = normal(4, dims.t * window);
            let whole = local::forward(dims, window, Some(&q), &k, &v, &band).y;
            for chunk in [1, 2, 7, 20] {
                let mut stream = Stream::new(1, 3, window);
                let mut y = Vec::new();
                for first in (0..dims.t).step_by(chunk) {
                    let dims = Dims { t: chunk.min(dims.t - first), ..dims };
                    let [q, k, v] = [&q, &k, &v].map(|x| &x[3 * first..][..dims.size()]);
                    y.extend(stream.forward(dims, Some(q), k, v, &band));
                }
                assert_close("y", &y, &whole, 1e-14);
            }
        }
    }
}
