//! Scales for errors: sums of magnitudes, because the results themselves may cancel.

use crate::apply::{Outcome, Problem};
use crate::reference::aft::{Inputs, factors, mix, sigmoid};

/// For each output, the absolute error that corresponds to a relative error of 1 in its sum.
pub(super) struct Sizes {
    /// The largest |v| of the channel and sequence, which bounds y.
    pub(super) y: Vec<f64>,
    /// |dy| g (1 - g) times the largest |v|.
    pub(super) dq: Vec<f64>,
    /// The largest sum of p |G| (|v| + |R|) over the keys of a head and sequence.
    pub(super) dk: Vec<f64>,
    /// The largest sum of p |G| over the keys of a channel and sequence.
    pub(super) dv: Vec<f64>,
    /// The sum of p |G| (|v| + |R|) over all terms of an entry of dw.
    pub(super) dw: [Vec<f64>; 2],
    /// Absolute error that underflow may cause: all smaller gates count as e^-87, times a value and dy.
    pub(super) floor: f64,
    /// X: the largest exponent, |K| + |w|.
    pub(super) exponent: f64,
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

impl Sizes {
    /// Takes time O(B T T D).
    pub(super) fn of(problem: &Problem, truth: &Outcome<f64>) -> Self {
        let dims = problem.dims;
        let (q, k, v) = (wide(&problem.q), wide(&problem.k), wide(&problem.v));
        let dy = problem.dy.as_deref().map(wide).unwrap_or_else(|| vec![0.0; dims.size()]);
        let inputs = Inputs {
            dims,
            heads: problem.key_dims().d,
            causal: problem.causal,
            q: None,
            k: &k,
            v: &v,
            mask: problem.mask.as_deref(),
        };
        let layout = problem.layout();
        let parts = [wide(&problem.w[0]), wide(&problem.w[1])];
        let magnitudes = parts.clone().map(|w| w.iter().map(|w| w.abs()).collect::<Vec<_>>());
        let (w, most) = match problem.rank() {
            Some(rank) => (
                factors::forward(layout.as_ref(), rank, &parts[0], &parts[1]),
                largest(&factors::forward(layout.as_ref(), rank, &magnitudes[0], &magnitudes[1])),
            ),
            None => (parts[0].clone(), largest(&parts[0])),
        };
        let counts = |b: usize, t: usize| problem.mask.as_ref().is_none_or(|mask| mask[b * dims.t + t]);
        let present = |at: usize| counts(at / (dims.t * inputs.heads), at / inputs.heads % dims.t);
        let keys = k.iter().enumerate().filter(|(i, _)| present(*i)).map(|(_, k)| k.abs());
        let exponent = keys.fold(0.0, f64::max) + most;

        let log_den = mix::forward(&inputs, layout.as_ref(), &w).log_den;
        let mut y = vec![0.0; dims.size()];
        let (mut dq, mut sums) = (y.clone(), y.clone());
        let mut dw = vec![0.0; w.len()];
        let mut dk = vec![0.0; k.len()];
        for (b, c) in dims.sequences() {
            let channel = || (0..dims.t).map(|t| dims.at(b, t, c));
            let most = (0..dims.t).filter(|&t| counts(b, t)).map(|t| v[dims.at(b, t, c)].abs()).fold(0.0, f64::max);
            let head = c / inputs.head_size();
            for t in 0..dims.t {
                let i = dims.at(b, t, c);
                let gate = if problem.gated { sigmoid(q[i]) } else { 1.0 };
                y[i] = most;
                dq[i] = if problem.gated { dy[i].abs() * gate * sigmoid(-q[i]) * most } else { 0.0 };
                for key in (0..if problem.causal { t + 1 } else { dims.t }).filter(|&key| counts(b, key)) {
                    let entry = layout.entry(head, t, key);
                    let at = inputs.key_dims().at(b, key, head);
                    let p = (k[at] + entry.map_or(0.0, |entry| w[entry]) - log_den[i]).exp();
                    let share = p * dy[i].abs() * gate;
                    let pair = share * (v[dims.at(b, key, c)].abs() + most);
                    sums[dims.at(b, key, c)] += share;
                    dk[at] += pair;
                    if let Some(entry) = entry {
                        dw[entry] += pair;
                    }
                }
            }
            let top = largest(&channel().map(|i| sums[i]).collect::<Vec<_>>());
            channel().for_each(|i| sums[i] = top);
        }
        let key_dims = inputs.key_dims();
        for (b, head) in key_dims.sequences() {
            let channel = || (0..dims.t).map(|t| key_dims.at(b, t, head));
            let top = largest(&channel().map(|i| dk[i]).collect::<Vec<_>>());
            channel().for_each(|i| dk[i] = top);
        }
        let dw = match problem.rank() {
            Some(rank) => {
                let both = factors::gradient(layout.as_ref(), rank, &magnitudes[0], &magnitudes[1], &dw);
                [both.du, both.dv]
            }
            None => [dw, Vec::new()],
        };
        debug_assert_eq!(truth.y.len(), y.len());
        let floor = 1e-36 * largest(&y).max(1.0) * largest(&dy).max(1.0);
        Self { y, dq, dk, dv: sums, dw, floor, exponent }
    }
}
