//! One channel of one sequence, which AFT mixes over time independently of all others.
//!
//! Keys within the reach of w are summed pair by pair, as in the paper. All others have w = 0, so prefix and suffix
//! sums over time give their part: over the keys before and after a row's reach, and for the gradients over the rows
//! whose reach does not include a key. A row then costs as many exponentials as w reaches, not T:
//!
//! ```text
//! p_tt' = e^(k_t' - m_t) / den_t,  dv_t' = e^(k_t') * sum over t of e^(-m_t) (G_t / den_t)
//! ```
//!
//! with m and den of the state of row t. As m_t >= k_t', the joint exponent k_t' - m_t is never positive.
use super::{Inputs, Layout, gate, state::State};
use std::ops::Range;

/// Channel `d` of sequence `b`, with the w of its head.
pub struct Sequence<'a> {
    pub inputs: &'a Inputs<'a>,
    pub layout: &'a dyn Layout,
    pub w: &'a [f64],
    pub b: usize,
    pub d: usize,
}

/// Gradients of one sequence, each `[T]`.
pub struct Gradient {
    pub dq: Vec<f64>,
    pub dk: Vec<f64>,
    pub dv: Vec<f64>,
}

impl Sequence<'_> {
    /// The state of each of `rows`: its sums over keys.
    pub fn states(&self, rows: impl Iterator<Item = usize>) -> Vec<State> {
        let before = running(0..self.time(), |state, key| self.push(state, key));
        // A causal row has no keys after its reach.
        let after_keys = if self.inputs.causal { 0..0 } else { 0..self.time() };
        let after = running(after_keys.rev(), |state, key| self.push(state, key));
        rows.map(|t| {
            let near = self.near(t);
            let mut state = before[near.start];
            for key in near.clone().filter(|&key| self.counts(key)) {
                state.push(self.exponent(t, key), self.value(key));
            }
            if self.inputs.causal { state } else { state.merge(after[self.time() - near.end]) }
        })
        .collect()
    }

    /// The gradient for `dy` `[B, T, D]`; calls `dw(entry, value)` for each value to add to an entry of dw.
    pub fn gradient(&self, dy: &[f64], mut dw: impl FnMut(usize, f64)) -> Gradient {
        let zeros = vec![0.0; self.time()];
        let mut out = Gradient { dq: zeros.clone(), dk: zeros.clone(), dv: zeros };
        let states = self.states(0..self.time());
        // Rows that see a key; other rows have no gradient.
        let seeing = || (0..self.time()).filter(|&t| !states[t].is_empty());
        for t in seeing() {
            let (i, state) = (self.at(t), states[t]);
            out.dq[t] = dy[i] * state.mean() * gate(self.inputs.q, i).1;
            for key in self.near(t).filter(|&key| self.counts(key)) {
                let pg = state.share(self.exponent(t, key)) * self.gated(dy, t);
                let d_exponent = pg * (self.value(key) - state.mean());
                out.dv[key] += pg;
                out.dk[key] += d_exponent;
                if let Some(entry) = self.layout.entry(self.head(), t, key) {
                    dw(entry, d_exponent);
                }
            }
        }
        // Sums over rows of p G and p G R, without their common factor e^(k_t').
        let push = |(of_g, of_gr): &mut (State, State), t: usize| {
            if !states[t].is_empty() {
                let g = self.gated(dy, t) / states[t].den;
                of_g.push(-states[t].max, g);
                of_gr.push(-states[t].max, g * states[t].mean());
            }
        };
        let later = running((0..self.time()).rev(), push);
        let earlier_rows = if self.inputs.causal { 0..0 } else { 0..self.time() };
        let earlier = running(earlier_rows, push);
        let (before, after) = self.layout.reach();
        for key in (0..self.time()).filter(|&key| self.counts(key)) {
            // Rows whose reach does not include the key: t > t' + before, and t < t' - after.
            let later = later[self.time().saturating_sub(key.saturating_add(before).saturating_add(1))];
            let earlier = if self.inputs.causal { Default::default() } else { earlier[key.saturating_sub(after)] };
            for (of_g, of_gr) in [later, earlier] {
                let pg = of_g.num_times_exp(self.key(key));
                out.dv[key] += pg;
                out.dk[key] += self.value(key) * pg - of_gr.num_times_exp(self.key(key));
            }
        }
        out
    }

    /// G_t = dy_t sigmoid(q_t).
    pub fn gated(&self, dy: &[f64], t: usize) -> f64 {
        dy[self.at(t)] * gate(self.inputs.q, self.at(t)).0
    }

    /// k_t' + w_tt'.
    pub fn exponent(&self, t: usize, key: usize) -> f64 {
        self.key(key) + self.layout.entry(self.head(), t, key).map_or(0.0, |entry| self.w[entry])
    }

    /// v_t'.
    pub fn value(&self, key: usize) -> f64 {
        self.inputs.v[self.at(key)]
    }

    /// Whether the mask keeps `key`.
    pub fn counts(&self, key: usize) -> bool {
        self.inputs.mask.is_none_or(|mask| mask[self.b * self.time() + key])
    }

    /// Whether row `t` sees `key`.
    pub fn sees(&self, t: usize, key: usize) -> bool {
        key < self.time() && !(self.inputs.causal && key > t) && self.counts(key)
    }

    /// Index of row `t` in a slice `[B, T, D]`.
    pub fn at(&self, t: usize) -> usize {
        self.inputs.dims.at(self.b, t, self.d)
    }

    fn push(&self, state: &mut State, key: usize) {
        if self.counts(key) {
            state.push(self.key(key), self.value(key));
        }
    }

    /// Keys that row `t` may see within the reach of w.
    fn near(&self, t: usize) -> Range<usize> {
        let (before, after) = self.layout.reach();
        let last = if self.inputs.causal { t } else { t.saturating_add(after).min(self.time() - 1) };
        t.saturating_sub(before)..last + 1
    }

    fn key(&self, key: usize) -> f64 {
        self.inputs.k[self.inputs.key_dims().at(self.b, key, self.head())]
    }

    fn head(&self) -> usize {
        self.d / self.inputs.head_size()
    }

    fn time(&self) -> usize {
        self.inputs.dims.t
    }
}

/// Prefix sums: element n is the sum over the first n of `items`.
fn running<S: Copy + Default>(items: impl Iterator<Item = usize>, push: impl Fn(&mut S, usize)) -> Vec<S> {
    let mut sum = S::default();
    let sums = items.map(|item| {
        push(&mut sum, item);
        sum
    });
    std::iter::once(S::default()).chain(sums).collect()
}
