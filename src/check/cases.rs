//! Test problems for checking a device: every form, with values from harmless to hostile.

use crate::apply::Problem;
use crate::form::{Bias, SizedForm};
use crate::random::normal_pair;
use crate::reference::Dims;

/// A family of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// All N(0, 1).
    Normal,
    /// Keys and biases N(0, 20^2).
    Wide,
    /// Keys that rise by 2 a position.
    Ramp,
    /// One key of 1e4 in the middle; every third bias -1e4 (for factors, every third entry of both).
    Huge,
    /// Keys and biases of 1e4 with opposite signs.
    Opposed,
    /// Values 1,000 + N(0, 1).
    Offset,
    /// All values equal.
    Constant,
    /// Denormals and zeros of both signs.
    Tiny,
}

/// Every family.
pub const VALUES: [Values; 8] = [
    Values::Normal,
    Values::Wide,
    Values::Ramp,
    Values::Huge,
    Values::Opposed,
    Values::Offset,
    Values::Constant,
    Values::Tiny,
];

/// `len` standard normal numbers from random stream `stream`.
pub(crate) fn normal(stream: u32, len: usize) -> Vec<f32> {
    (0..len).map(|i| normal_pair([stream, 0x6368_6563, i as u32 / 2, 0])[i % 2] as f32).collect()
}

/// A gated problem with standard normal values and gradients.
pub fn problem(form: SizedForm, dims: Dims, heads: usize, causal: bool) -> Problem {
    let keys = if form.is_conv() { Dims { d: heads, ..dims } } else { dims };
    let [q, v, dy] = [1, 3, 4].map(|stream| normal(stream, dims.size()));
    let [first, second] = form.bias_shapes(dims.t, heads, causal);
    let mut w = [normal(5, first[0] * first[1]), normal(6, second[0] * second[1])];
    if let Some(rank) = form.rank() {
        // Scaled so that the products have standard deviation 1.
        let scale = (rank as f32).powf(-0.25);
        w.iter_mut().flatten().for_each(|w| *w *= scale);
    }
    let k = normal(2, keys.size());
    Problem { dims, heads, form, causal, gated: true, q, k, v, w, mask: None, dy: Some(dy) }
}

/// Replaces the values of a problem by those of a family.
pub fn with(mut problem: Problem, values: Values) -> Problem {
    let keys = problem.key_dims();
    let position = |i: usize| i / keys.d % keys.t;
    let middle = keys.t / 2;
    let factors = problem.rank().is_some();
    // Factors are multiplied, so each gets the square root of the scale.
    let bias = |scale: f32| if factors { scale.sqrt() } else { scale };
    match values {
        Values::Normal => {}
        Values::Wide => {
            problem.k.iter_mut().for_each(|k| *k *= 20.0);
            problem.w.iter_mut().flatten().for_each(|w| *w *= bias(20.0));
        }
        Values::Ramp => problem.k.iter_mut().enumerate().for_each(|(i, k)| *k += 2.0 * position(i) as f32),
        Values::Huge => {
            problem.k.iter_mut().enumerate().filter(|(i, _)| position(*i) == middle).for_each(|(_, k)| *k = 1e4);
            problem.w.iter_mut().flatten().step_by(3).for_each(|w| *w = -bias(1e4));
        }
        Values::Opposed => {
            problem.k.iter_mut().enumerate().for_each(|(i, k)| *k = if position(i) % 2 == 0 { 1e4 } else { -1e4 });
            problem
                .w
                .iter_mut()
                .flatten()
                .enumerate()
                .for_each(|(i, w)| *w = if i % 2 == 0 { -bias(1e4) } else { bias(1e4) });
        }
        Values::Offset => problem.v.iter_mut().for_each(|v| *v += 1000.0),
        Values::Constant => {
            problem.k.fill(-0.3);
            problem.v.fill(0.7);
            problem.w.iter_mut().flatten().for_each(|w| *w = 0.1);
        }
        Values::Tiny => {
            problem.k.iter_mut().for_each(|k| *k *= 1e-40);
            problem.v.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 3 == 0 { -0.0 } else { *v * 1e-9 });
            problem.w.iter_mut().flatten().step_by(2).for_each(|w| *w = -0.0);
        }
    }
    problem
}

/// Masks every third key, and fills the masked keys and values with poison.
pub fn masked(mut problem: Problem) -> Problem {
    let dims = problem.dims;
    let mask: Vec<bool> = (0..dims.b * dims.t).map(|i| i % 3 != 0).collect();
    let keys = problem.key_dims();
    let taken = |i: usize, d: usize| !mask[i / d];
    problem.k.iter_mut().enumerate().filter(|(i, _)| taken(*i, keys.d)).for_each(|(_, k)| *k = f32::NAN);
    problem.v.iter_mut().enumerate().filter(|(i, _)| taken(*i, dims.d)).for_each(|(_, v)| *v = f32::NAN);
    problem.mask = Some(mask);
    problem
}

/// Every form, each row of the table of forms at least once, in small and often odd sizes.
pub fn forms() -> Vec<(SizedForm, Dims, usize, bool)> {
    let dims = Dims { b: 2, t: 37, d: 6 };
    let grid = Dims { b: 2, t: 35, d: 6 };
    // Several chunks of time. On a CPU, a thread has several vec4s, some of them past the last column.
    let wide = Dims { b: 1, t: 132, d: 100 };
    let mut all = Vec::new();
    for causal in [true, false] {
        all.push((SizedForm::Simple, dims, 1, causal));
        for bias in [Bias::Dense, Bias::Factors(5)] {
            all.push((SizedForm::Full(bias), dims, 1, causal));
            all.push((SizedForm::Local(7, bias), dims, 1, causal));
        }
        all.push((SizedForm::Conv1d(5), dims, 3, causal));
        all.push((SizedForm::Conv2d(3, 7), grid, 3, causal));
        all.push((SizedForm::Simple, wide, 1, causal));
        all.push((SizedForm::Local(7, Bias::Dense), wide, 1, causal));
    }
    all
}
