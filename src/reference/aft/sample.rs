//! Parts of the results of every form of AFT, to check long sequences without computing everything.
//!
//! S is the reach of w: s for a band or line, about s times the columns for a grid, T for dense w.
//!
//! * [`rows`]: n rows of y and log_den in all channels, O(B D (T + n S)).
//! * [`head`]: gradients of a head of one sequence at all positions, O((D / H) T S).
//! * [`entries`]: entries of dw, O(B D (T + n S)) if n rows read them.
use super::{Forward, Inputs, Layout, gate, sequence::Sequence};

/// Gradients of one head of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Of q `[T, D / H]`.
    pub dq: Vec<f64>,
    /// Of the keys `[T]`.
    pub dk: Vec<f64>,
    /// Of the values `[T, D / H]`.
    pub dv: Vec<f64>,
}

/// The rows `rows` of [`mix::forward`](super::mix::forward), `[B, n, D]` each.
pub fn rows(inputs: &Inputs, layout: &dyn Layout, w: &[f64], rows: &[usize]) -> Forward {
    inputs.check();
    let n = inputs.dims.b * rows.len() * inputs.dims.d;
    let mut out = Forward { y: vec![0.0; n], log_den: vec![0.0; n] };
    for (b, d) in inputs.dims.sequences() {
        let sequence = Sequence { inputs, layout, w, b, d };
        for (row, state) in sequence.states(rows.iter().copied()).into_iter().enumerate() {
            let to = (b * rows.len() + row) * inputs.dims.d + d;
            out.y[to] = if state.is_empty() { 0.0 } else { gate(inputs.q, sequence.at(rows[row])).0 * state.mean() };
            out.log_den[to] = state.log_den();
        }
    }
    out
}

/// The part of [`mix::gradient`](super::mix::gradient) for `head` of sequence `b`.
pub fn head(inputs: &Inputs, layout: &dyn Layout, w: &[f64], dy: &[f64], b: usize, head: usize) -> Head {
    inputs.check();
    let (t_count, size) = (inputs.dims.t, inputs.head_size());
    let mut out = Head { dq: vec![0.0; t_count * size], dk: vec![0.0; t_count], dv: vec![0.0; t_count * size] };
    for channel in 0..size {
        let sequence = Sequence { inputs, layout, w, b, d: head * size + channel };
        let part = sequence.gradient(dy, |_, _| {});
        for t in 0..t_count {
            (out.dq[t * size + channel], out.dv[t * size + channel]) = (part.dq[t], part.dv[t]);
            out.dk[t] += part.dk[t];
        }
    }
    out
}

/// The entries `entries` of dw of [`mix::gradient`](super::mix::gradient).
pub fn entries(inputs: &Inputs, layout: &dyn Layout, w: &[f64], dy: &[f64], entries: &[usize]) -> Vec<f64> {
    inputs.check();
    let read = |t: &usize| entries.iter().any(|&entry| layout.key(entry, *t).is_some());
    let rows: Vec<_> = (0..inputs.dims.t).filter(read).collect();
    let mut out = vec![0.0; entries.len()];
    for (b, d) in inputs.dims.sequences() {
        let in_head = |entry| layout.head(entry).is_none_or(|head| head == d / inputs.head_size());
        if !entries.iter().any(|&entry| in_head(entry)) {
            continue;
        }
        let sequence = Sequence { inputs, layout, w, b, d };
        for (&t, state) in rows.iter().zip(sequence.states(rows.iter().copied())) {
            for (out, &entry) in out.iter_mut().zip(entries).filter(|(_, entry)| in_head(**entry)) {
                if let Some(key) = layout.key(entry, t).filter(|&key| sequence.sees(t, key)) {
                    let pg = state.share(sequence.exponent(t, key)) * sequence.gated(dy, t);
                    *out += pg * (sequence.value(key) - state.mean());
                }
            }
        }
    }
    out
}
