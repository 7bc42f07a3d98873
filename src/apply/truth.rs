//! The reference result of a layer, in f64.

use super::{Gradients, Outcome, Problem};
use crate::form::SizedForm;
use crate::reference::aft::{Inputs, Layout, band::Band, conv, factors, full::Dense, mix, simple::NoBias};

impl Problem {
    /// Outputs and gradients by the reference.
    pub fn truth(&self) -> Outcome<f64> {
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (q, k, v) = (wide(&self.q), wide(&self.k), wide(&self.v));
        let inputs = Inputs {
            dims: self.dims,
            heads: self.key_dims().d,
            causal: self.causal,
            q: self.gated.then_some(&q),
            k: &k,
            v: &v,
            mask: self.mask.as_deref(),
        };
        let layout = self.layout();
        let parts = [wide(&self.w[0]), wide(&self.w[1])];
        let rank = self.rank();
        let w = match rank {
            Some(rank) => factors::forward(layout.as_ref(), rank, &parts[0], &parts[1]),
            None => parts[0].clone(),
        };
        let y = mix::forward(&inputs, layout.as_ref(), &w).y;
        let gradients = self.dy.as_ref().map(|dy| {
            let all = mix::gradient(&inputs, layout.as_ref(), &w, &wide(dy));
            let dw = match rank {
                Some(rank) => {
                    let both = factors::gradient(layout.as_ref(), rank, &parts[0], &parts[1], &all.dw);
                    [both.du, both.dv]
                }
                None => [all.dw, Vec::new()],
            };
            Gradients { dq: all.dq, dk: all.dk, dv: all.dv, dw }
        });
        Outcome { y, gradients }
    }

    /// Rank of the factorised biases, if any.
    pub fn rank(&self) -> Option<usize> {
        self.form.rank()
    }

    /// Layout of the biases in the reference.
    pub fn layout(&self) -> Box<dyn Layout> {
        layout(self.form, self.dims.t, self.heads, self.causal)
    }
}

/// Layout of a form's biases in the reference.
pub(crate) fn layout(form: SizedForm, t: usize, heads: usize, causal: bool) -> Box<dyn Layout> {
    match form {
        SizedForm::Simple => Box::new(NoBias),
        SizedForm::Full(_) => Box::new(Dense { t }),
        SizedForm::Local(window, _) => Box::new(Band { t, window, causal }),
        SizedForm::Conv1d(window) => Box::new(conv::Line { heads, window, causal }),
        SizedForm::Conv2d(window, columns) => Box::new(conv::Grid { heads, window, rows: t / columns, columns }),
    }
}
