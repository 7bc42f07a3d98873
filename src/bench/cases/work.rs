//! Counts the work of a case in operations and bytes: for operations that mix positions, and for a language model by its
//! parameters.

use crate::error::Result;
use crate::form::{Bias, Form, SizedForm};
use crate::models::language::LanguageConfig;
use crate::nn::{Mixer, Spec};
use crate::reference::Dims;

/// Operations of a forward pass over `dims`: 4 D for each key in a token's window, or 2 (D + H) for AFT-conv; none for
/// AFT-simple, which is measured by bytes. Attention has as many as AFT-full; a gradient has twice as many.
pub(super) fn flops(form: SizedForm, heads: usize, dims: Dims, causal: bool) -> Option<f64> {
    let [b, t, d, heads] = [dims.b, dims.t, dims.d, heads].map(|n| n as f64);
    let token = match form {
        SizedForm::Simple => return None,
        SizedForm::Full(_) => 4.0 * d * if causal { 0.5 * t } else { t },
        SizedForm::Local(s, _) => 4.0 * d * (if causal { s } else { 2 * s - 1 }) as f64,
        SizedForm::Conv1d(s) => 2.0 * s as f64 * (d + heads),
        SizedForm::Conv2d(s, _) => 2.0 * (if causal { (s * s).div_ceil(2) } else { s * s }) as f64 * (d + heads),
    };
    Some(b * t * token)
}

/// A language model whose work is counted.
pub(super) struct Work {
    config: LanguageConfig,
    specs: Vec<Spec>,
}

impl Work {
    /// # Errors
    /// [`crate::Error::Config`] for invalid sizes.
    pub(super) fn of(config: &LanguageConfig) -> Result<Self> {
        Ok(Self { config: config.clone(), specs: config.specs()? })
    }

    /// Operations of a training step on `batch` sequences: forward, and twice as many backward.
    pub(super) fn step(&self, batch: u32) -> f64 {
        let tokens = f64::from(batch) * f64::from(self.config.length);
        3.0 * (tokens * self.linear(|_| true) + self.mixing(batch, self.config.length))
    }

    /// Operations from a prompt of `tokens` to the logits of the last token.
    pub(super) fn prompt(&self, tokens: u32) -> f64 {
        let of_head = |spec: &Spec| spec.name == "head.weight";
        let blocks = f64::from(tokens) * self.linear(|spec| !of_head(spec));
        blocks + self.linear(of_head) + self.mixing(1, tokens)
    }

    /// Bytes for one token's logits, where `position` counts from 1: all layer parameters and one row of each table, once, and
    /// the state, read and written.
    pub(super) fn token_bytes(&self, position: u32) -> f64 {
        let LanguageConfig { variant, layers, dim, heads, .. } = self.config;
        let d = f64::from(dim);
        let in_layers = |spec: &&Spec| !is_table(spec);
        let weights: f64 = self.specs.iter().filter(in_layers).map(numbers).sum();
        // Of the key-value cache, all entries except the token's own are read; its own is written.
        let keys = f64::from(if variant == Mixer::Attention { position } else { self.config.reach().min(position) });
        let sums = if variant == Mixer::Attention { 0.0 } else { 2.0 * 5.0 * d };
        let biases = match variant {
            Mixer::Aft(Form::Simple) | Mixer::Attention => 0.0,
            Mixer::Aft(Form::Full | Form::Local) => keys,
            Mixer::Aft(Form::Conv1d | Form::Conv2d) => f64::from(heads) * keys,
        };
        let state = sums + 2.0 * d * keys + biases;
        4.0 * (weights + 2.0 * d + f64::from(layers) * state)
    }

    /// Operations of a token in linear layers, including the head: 2 K N each. Their weights are the decayed ones.
    fn linear(&self, which: impl Fn(&Spec) -> bool) -> f64 {
        2.0 * self.specs.iter().filter(|spec| spec.decay && which(spec)).map(numbers).sum::<f64>()
    }

    fn mixing(&self, batch: u32, time: u32) -> f64 {
        let LanguageConfig { layers, heads, dim, .. } = self.config;
        let dims = Dims { b: batch as usize, t: time as usize, d: dim as usize };
        let form = self.config.sized_form().unwrap_or(SizedForm::Full(Bias::Dense));
        f64::from(layers) * flops(form, heads as usize, dims, true).unwrap_or(0.0)
    }
}

/// Whether a token reads only a row of the tensor, or only values precomputed from it.
fn is_table(spec: &Spec) -> bool {
    spec.name.starts_with("embedding.") || spec.name.contains(".bias.") || spec.name.contains(".kernel.")
}

fn numbers(spec: &Spec) -> f64 {
    f64::from(spec.rows) * f64::from(spec.cols)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    /// Two blocks of 8 channels over 16 positions.
    fn work(variant: Mixer, heads: u32) -> Work {
        let paper = LanguageConfig::paper_enwik8();
        Work::of(&LanguageConfig { variant, layers: 2, dim: 8, heads, window: 4, rank: 2, length: 16, ..paper })
            .unwrap()
    }

    #[test]
    fn mixing_by_hand() {
        let dims = Dims { b: 3, t: 10, d: 8 };
        let both = |form| [true, false].map(|causal| flops(form, 2, dims, causal));
        assert_eq!(both(SizedForm::Simple), [None, None]);
        // 4 T^2 D B = 4 100 8 3.
        assert_eq!(both(SizedForm::Full(Bias::Dense)), [Some(4800.0), Some(9600.0)]);
        // 4 s D for each of 30 tokens; non-causal: 7 keys around a token.
        assert_eq!(both(SizedForm::Local(4, Bias::Dense)), [Some(3840.0), Some(6720.0)]);
        // 2 s (D + H); of 9 taps, 5 are not after the token.
        assert_eq!(both(SizedForm::Conv1d(5)), [Some(3000.0), Some(3000.0)]);
        assert_eq!(both(SizedForm::Conv2d(3, 5)), [Some(3000.0), Some(5400.0)]);
    }

    #[test]
    fn operations_of_a_model_by_hand() {
        // A block: 8 x 24, 8 x 8, 8 x 32, 32 x 8. Two blocks have 1536 multiply-adds, and the head 8 x 256 = 2048.
        let linear = 2.0 * (1536.0 + 2048.0);
        let step = |variant, heads| work(variant, heads).step(3);
        assert_eq!(step(Form::Simple.into(), 1), 3.0 * 48.0 * linear);
        // Two layers, 48 tokens, 4 keys or on average half of 16 positions.
        assert_eq!(step(Form::Local.into(), 1), 3.0 * 48.0 * (linear + 2.0 * 4.0 * 4.0 * 8.0));
        assert_eq!(step(Form::Full.into(), 1), 3.0 * 48.0 * (linear + 2.0 * 4.0 * 8.0 * 8.0));
        assert_eq!(step(Mixer::Attention, 2), step(Form::Full.into(), 1));
        // Its projection is 8 x (2 8 + 2), which is 48 less.
        assert_eq!(step(Form::Conv1d.into(), 2), 3.0 * 48.0 * (linear - 2.0 * 96.0 + 2.0 * 2.0 * 4.0 * 10.0));
        // The head computes only the last token.
        assert_eq!(work(Form::Full.into(), 1).prompt(6), 6.0 * 2.0 * 1536.0 + 2.0 * 2048.0 + 2.0 * 2.0 * 36.0 * 8.0);
    }

    #[test]
    fn bytes_of_a_token_by_hand() {
        // A block has 768 weights, 24 + 8 + 32 + 8 biases and 4 x 8 for norms. Then the last norm 16, the head 2048 + 256, and
        // two table rows.
        let floats = 2.0 * (768.0 + 72.0 + 32.0) + 16.0 + 2304.0 + 16.0;
        let bytes = |variant, heads, position| work(variant, heads).token_bytes(position);
        assert_eq!(bytes(Form::Simple.into(), 1, 9), 4.0 * (floats + 2.0 * 80.0));
        // Four keys, or all nine, each with a bias.
        assert_eq!(bytes(Form::Local.into(), 1, 9), 4.0 * (floats + 2.0 * (80.0 + 4.0 * 17.0)));
        assert_eq!(bytes(Form::Local.into(), 1, 3), 4.0 * (floats + 2.0 * (80.0 + 3.0 * 17.0)));
        assert_eq!(bytes(Form::Full.into(), 1, 9), 4.0 * (floats + 2.0 * (80.0 + 9.0 * 17.0)));
        assert_eq!(bytes(Mixer::Attention, 2, 9), 4.0 * (floats + 2.0 * 9.0 * 16.0));
        // The projection has 6 columns less; taps for two heads.
        assert_eq!(bytes(Form::Conv1d.into(), 2, 9), 4.0 * (floats - 2.0 * 54.0 + 2.0 * (80.0 + 4.0 * 18.0)));
    }
}
