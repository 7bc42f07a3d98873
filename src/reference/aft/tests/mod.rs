//! Properties of every form.
mod forms;
mod identities;
mod regressions;

use super::{Inputs, Layout, band::Band, conv, full::Dense, simple::NoBias};
use crate::reference::{Dims, differences::normal};

/// A sequence of 12 is also a grid of 3 rows and 4 columns; 6 channels make 6, 3 or 2 heads.
const DIMS: Dims = Dims { b: 2, t: 12, d: 6 };

/// A layout with its name and number of heads.
struct Form {
    name: String,
    heads: usize,
    layout: Box<dyn Layout>,
}

/// Every form, with no window, the diagonal, a part, the whole sequence, and more.
fn forms(causal: bool) -> Vec<Form> {
    let t = DIMS.t;
    let mut forms = vec![
        Form { name: "simple".into(), heads: 6, layout: Box::new(NoBias) },
        Form { name: "full".into(), heads: 6, layout: Box::new(Dense { t }) },
    ];
    for window in [0, 1, 3, 12, 15] {
        let layout = Box::new(Band { t, window, causal });
        forms.push(Form { name: format!("local {window}"), heads: 6, layout });
    }
    for (heads, window) in [(2, 1), (3, 3), (6, 4), (1, 12), (2, 25)] {
        let layout = Box::new(conv::Line { heads, window: if causal { window } else { window | 1 }, causal });
        forms.push(Form { name: format!("line {window}"), heads, layout });
    }
    for (heads, window) in [(2, 1), (3, 3), (6, 9)] {
        let layout = Box::new(conv::Grid { heads, window, rows: 3, columns: 4 });
        forms.push(Form { name: format!("grid {window}"), heads, layout });
    }
    forms
}

/// Random q, k, v, dy and w for a form.
struct Case {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    dy: Vec<f64>,
    w: Vec<f64>,
}

impl Case {
    fn of(form: &Form) -> Self {
        let [q, v, dy] = [1, 2, 3].map(|stream| normal(stream, DIMS.size()));
        Self { q, k: normal(4, DIMS.b * DIMS.t * form.heads), v, dy, w: normal(5, form.layout.size()) }
    }

    fn inputs<'a>(&'a self, form: &Form, causal: bool, mask: Option<&'a [bool]>) -> Inputs<'a> {
        Inputs { dims: DIMS, heads: form.heads, causal, q: Some(&self.q), k: &self.k, v: &self.v, mask }
    }
}

/// Mask of the first key and another of sequence 0, and of every key of sequence 1: causal row 0 has no key.
fn mask() -> Vec<bool> {
    (0..DIMS.b * DIMS.t).map(|i| i < DIMS.t && i != 0 && i != 5).collect()
}
