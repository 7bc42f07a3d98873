//! y and all gradients of every form of AFT, complete.
use super::{Forward, Gradient, Inputs, Layout, gate, sequence::Sequence};

/// Mixes the values over time; `w` is in the order of `layout`.
pub fn forward(inputs: &Inputs, layout: &dyn Layout, w: &[f64]) -> Forward {
    inputs.check();
    debug_assert_eq!(w.len(), layout.size());
    let zeros = vec![0.0; inputs.dims.size()];
    let mut out = Forward { y: zeros.clone(), log_den: zeros };
    for (b, d) in inputs.dims.sequences() {
        let sequence = Sequence { inputs, layout, w, b, d };
        for (t, state) in sequence.states(0..inputs.dims.t).into_iter().enumerate() {
            let i = sequence.at(t);
            out.y[i] = if state.is_empty() { 0.0 } else { gate(inputs.q, i).0 * state.mean() };
            out.log_den[i] = state.log_den();
        }
    }
    out
}

/// The gradient of [`forward`] for `dy`, the gradient of y `[B, T, D]`.
pub fn gradient(inputs: &Inputs, layout: &dyn Layout, w: &[f64], dy: &[f64]) -> Gradient {
    inputs.check();
    debug_assert_eq!(w.len(), layout.size());
    debug_assert_eq!(dy.len(), inputs.dims.size());
    let (zeros, dk) = (vec![0.0; inputs.dims.size()], vec![0.0; inputs.key_dims().size()]);
    let mut out = Gradient { dq: zeros.clone(), dk, dv: zeros, dw: vec![0.0; w.len()] };
    for (b, d) in inputs.dims.sequences() {
        let sequence = Sequence { inputs, layout, w, b, d };
        let part = sequence.gradient(dy, |entry, value| out.dw[entry] += value);
        for t in 0..inputs.dims.t {
            let i = sequence.at(t);
            (out.dq[i], out.dv[i]) = (part.dq[t], part.dv[t]);
            out.dk[inputs.key_dims().at(b, t, d / inputs.head_size())] += part.dk[t];
        }
    }
    out
}
