//! Checks a sample of a layer's channels. AFT mixes each channel of each sequence independently, so the reference computes only
//! the sample, in little time. The gradient of y is zero outside of the sample, so that sums over all channels are known as well.

use crate::apply::{Gradients, Outcome, Problem};
use crate::reference::Dims;

/// Maximum T at which four channels are sampled. Beyond it two are, because the reference takes time T T for each channel.
const MANY: usize = 1024;

/// Sampled sequences and channels of a layer; for AFT-conv each channel is in another head.
pub(super) struct Sample {
    sequences: Vec<usize>,
    channels: Vec<usize>,
}

impl Sample {
    /// Samples the first and last, and some channels in between.
    pub(super) fn of(problem: &Problem) -> Self {
        let Dims { b, t, d } = problem.dims;
        let mut sequences = vec![0, b - 1];
        let mut channels = if t <= MANY { vec![0, d / 3, 2 * d / 3, d - 1] } else { vec![0, d - 1] };
        if problem.form.is_conv() {
            let size = d / problem.heads;
            channels.dedup_by_key(|channel| *channel / size);
        }
        sequences.dedup();
        channels.dedup();
        Self { sequences, channels }
    }

    /// `dy` [B, T, D] with zeros outside of the sample.
    pub(super) fn masked(&self, problem: &Problem, dy: &[f32]) -> Vec<f32> {
        let mut masked = vec![0.0; dy.len()];
        for i in self.elements(problem.dims, &self.channels) {
            masked[i] = dy[i];
        }
        masked
    }

    /// The sample as a separate layer.
    pub(super) fn problem(&self, problem: &Problem) -> Problem {
        let dims = Dims { b: self.sequences.len(), t: problem.dims.t, d: self.channels.len() };
        Problem {
            dims,
            heads: if problem.form.is_conv() { dims.d } else { 1 },
            q: self.taken(problem.dims, &self.channels, &problem.q),
            k: self.taken(problem.key_dims(), &self.key_columns(problem), &problem.k),
            v: self.taken(problem.dims, &self.channels, &problem.v),
            w: self.biases(problem, &problem.w),
            dy: problem.dy.as_ref().map(|dy| self.taken(problem.dims, &self.channels, dy)),
            ..problem.clone()
        }
    }

    /// The sample's part of the layer's results.
    pub(super) fn outcome(&self, problem: &Problem, outcome: &Outcome<f32>) -> Outcome<f32> {
        let gradients = outcome.gradients.as_ref().map(|all| Gradients {
            dq: self.taken(problem.dims, &self.channels, &all.dq),
            dk: self.taken(problem.key_dims(), &self.key_columns(problem), &all.dk),
            dv: self.taken(problem.dims, &self.channels, &all.dv),
            dw: self.biases(problem, &all.dw),
        });
        Outcome { y: self.taken(problem.dims, &self.channels, &outcome.y), gradients }
    }

    fn key_columns(&self, problem: &Problem) -> Vec<usize> {
        if problem.form.is_conv() { self.heads(problem) } else { self.channels.clone() }
    }

    fn heads(&self, problem: &Problem) -> Vec<usize> {
        self.channels.iter().map(|channel| channel / (problem.dims.d / problem.heads)).collect()
    }

    /// For AFT-conv, the kernels of the sampled heads; biases shared by all channels stay as they are.
    fn biases(&self, problem: &Problem, w: &[Vec<f32>; 2]) -> [Vec<f32>; 2] {
        if !problem.form.is_conv() {
            return w.clone();
        }
        let [[_, taps], _] = problem.bias_shapes();
        let kernels = self.heads(problem).into_iter().flat_map(|head| &w[0][head * taps..][..taps]);
        [kernels.copied().collect(), Vec::new()]
    }

    fn taken(&self, dims: Dims, columns: &[usize], all: &[f32]) -> Vec<f32> {
        self.elements(dims, columns).map(|i| all[i]).collect()
    }

    fn elements<'a>(&'a self, dims: Dims, columns: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let rows = self.sequences.iter().flat_map(move |&b| (0..dims.t).map(move |t| (b, t)));
        rows.flat_map(move |(b, t)| columns.iter().map(move |&column| dims.at(b, t, column)))
    }
}

/// q, k and v side by side in each row, each aligned to a vec4; for AFT-conv in the order q, v, k.
pub(super) fn packed(problem: &Problem) -> Vec<f32> {
    let (d, padded) = (problem.dims.d, problem.dims.d.next_multiple_of(4));
    let keys = problem.key_dims().d;
    let parts = if problem.form.is_conv() {
        [(&problem.q, d, padded), (&problem.v, d, padded), (&problem.k, keys, keys)]
    } else {
        [(&problem.q, d, padded), (&problem.k, d, padded), (&problem.v, d, padded)]
    };
    let mut packed = Vec::new();
    for row in 0..problem.dims.b * problem.dims.t {
        for (values, cols, padded) in parts {
            packed.extend_from_slice(&values[row * cols..][..cols]);
            packed.extend(std::iter::repeat_n(0.0, padded - cols));
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{ExpError, judge, problem};
    use crate::form::{Bias, SizedForm};

    /// The whole result, restricted to the sample, equals the result of the sample alone.
    #[test]
    fn the_sample_of_the_truth_is_the_truth_of_the_sample() {
        for (form, heads) in [
            (SizedForm::Simple, 1),
            (SizedForm::Full(Bias::Factors(3)), 1),
            (SizedForm::Local(4, Bias::Dense), 1),
            (SizedForm::Conv1d(3), 3),
            (SizedForm::Conv2d(3, 5), 6),
        ] {
            for causal in [true, false] {
                let mut whole = problem(form, Dims { b: 3, t: 20, d: 12 }, heads, causal);
                let sample = Sample::of(&whole);
                let dy = whole.dy.clone().unwrap_or_default();
                whole.dy = Some(sample.masked(&whole, &dy));
                let small = sample.problem(&whole);
                assert!(small.check().is_ok() && small.dims.size() < whole.dims.size());
                let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
                let truth = whole.truth();
                let gradients = truth.gradients.map(|g| Gradients {
                    dq: narrow(&g.dq),
                    dk: narrow(&g.dk),
                    dv: narrow(&g.dv),
                    dw: g.dw.each_ref().map(|w| narrow(w)),
                });
                let outcome = sample.outcome(&whole, &Outcome { y: narrow(&truth.y), gradients });
                let verdicts = judge(&small, &small.truth(), &outcome, ExpError { base: 0.0, slope: 0.0 });
                assert!(verdicts.len() >= 4 && verdicts.iter().all(|v| v.ratio <= 1.0), "{form:?}: {verdicts:?}");
            }
        }
    }
}
