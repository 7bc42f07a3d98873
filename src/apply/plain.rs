//! The equations evaluated directly in f32, without protection against overflow and rounding. A baseline for the kernels.

use super::Problem;
use crate::reference::Dims;

impl Problem {
    /// y in f32 on the host: computes e^(k + w) and its sums directly, one term after the other.
    pub fn plain(&self) -> Vec<f32> {
        let Dims { b, t, d } = self.dims;
        let (layout, keys) = (self.layout(), self.key_dims());
        let w = self.plain_biases();
        let present = |b: usize, key: usize| self.mask.as_ref().is_none_or(|mask| mask[b * t + key]);
        let mut y = vec![0.0; self.dims.size()];
        for (b, c) in (0..b).flat_map(|b| (0..d).map(move |c| (b, c))) {
            let head = c / (d / keys.d);
            for row in 0..t {
                let (mut num, mut den, mut any) = (0.0f32, 0.0f32, false);
                for key in (0..if self.causal { row + 1 } else { t }).filter(|&key| present(b, key)) {
                    let bias = layout.entry(head, row, key).map_or(0.0, |entry| w[entry]);
                    let weight = libm::expf(self.k[keys.at(b, key, head)] + bias);
                    num += weight * self.v[self.dims.at(b, key, c)];
                    den += weight;
                    any = true;
                }
                let i = self.dims.at(b, row, c);
                let gate = if self.gated { 1.0 / (1.0 + libm::expf(-self.q[i])) } else { 1.0 };
                y[i] = if any { gate * (num / den) } else { 0.0 };
            }
        }
        y
    }

    /// The entries of w; if given as factors, their product.
    fn plain_biases(&self) -> Vec<f32> {
        let [first, second] = &self.w;
        let Some(rank) = self.rank() else { return first.clone() };
        let (layout, time) = (self.layout(), self.dims.t);
        let mut w = vec![0.0; layout.size()];
        for (row, key) in (0..time).flat_map(|row| (0..time).map(move |key| (row, key))) {
            if let Some(entry) = layout.entry(0, row, key) {
                w[entry] = (0..rank).map(|r| first[row * rank + r] * second[key * rank + r]).sum();
            }
        }
        w
    }
}
