//! The reference language model: logits and losses of the first positions.

use std::collections::HashMap;

use crate::apply::truth::layout;
use crate::error::{Error, Result};
use crate::form::Form;
use crate::gpu::Gpu;
use crate::models::language::{Language, LanguageConfig, VOCABULARY};
use crate::nn::Mixer;
use crate::ops::aft::{heads, qkv_cols};
use crate::reference::aft::{Inputs, factors, kernel_norm, mix};
use crate::reference::nn::linear::{self, Activation};
use crate::reference::nn::{attention, cross_entropy, embedding, layer_norm};
use crate::reference::{Dims, compare::widen};

/// The weights of a model by name, in f64.
pub(super) struct Truth {
    config: LanguageConfig,
    names: Vec<String>,
    tensors: HashMap<String, Vec<f64>>,
}

impl Truth {
    /// Reads the weights from the device.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub(super) async fn of(gpu: &Gpu, model: &Language) -> Result<Self> {
        let names: Vec<_> = model.parameters.specs().iter().map(|spec| spec.name.clone()).collect();
        let values = model.parameters.read(gpu).await?;
        let tensors = names.iter().cloned().zip(values.iter().map(|values| widen(values))).collect();
        Ok(Self { config: model.config.clone(), names, tensors })
    }

    /// The weights moved by `step` times `direction`, which has one value for each weight.
    pub(super) fn moved(&self, direction: &[Vec<f64>], step: f64) -> Self {
        let mut moved = Self { config: self.config.clone(), names: self.names.clone(), tensors: self.tensors.clone() };
        for (name, direction) in self.names.iter().zip(direction) {
            for (weight, by) in moved.tensors.entry(name.clone()).or_default().iter_mut().zip(direction) {
                *weight += step * by;
            }
        }
        moved
    }

    /// Logits [n, 256] of the first n positions, given `tokens`.
    ///
    /// # Errors
    /// [`Error::Config`] if a tensor is missing.
    pub(super) fn logits(&self, tokens: &[u32]) -> Result<Vec<f64>> {
        let LanguageConfig { dim, layers, norm_eps, mlp_ratio, .. } = self.config;
        let (n, d, hidden) = (tokens.len(), dim as usize, (mlp_ratio * dim) as usize);
        let dims = Dims { b: 1, t: n, d };
        let positions = &self.get("embedding.position")?[..n * d];
        let mut x = embedding::forward(dims, tokens, self.get("embedding.token")?, positions).x;
        let norm = |name: &str, x: &[f64]| -> Result<Vec<f64>> {
            let [gamma, beta] = [self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?];
            Ok(layer_norm::forward(n, d, norm_eps.into(), x, gamma, beta).y)
        };
        let layer = |name: &str, x: &[f64], [k, cols]: [usize; 2], gelu: bool, residual: Option<&[f64]>| {
            let [weight, bias] = [self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?];
            let activation = if gelu { Activation::Gelu } else { Activation::None };
            let dims = linear::Dims { m: n, k, n: cols };
            Ok::<_, Error>(linear::forward(dims, activation, x, weight, Some(bias), residual).y)
        };
        let columns = self.columns() as usize;
        let mixer = if self.config.variant == Mixer::Attention { "attention" } else { "aft" };
        for block in 0..layers {
            let name = |part: &str| format!("blocks.{block}.{part}");
            let qkv = layer(&name(&format!("{mixer}.qkv")), &norm(&name("norm1"), &x)?, [d, columns], false, None)?;
            let mixed = self.mix(&name(mixer), dims, &qkv)?;
            x = if self.config.projection {
                layer(&name(&format!("{mixer}.out")), &mixed, [d, d], false, Some(&x))?
            } else {
                x.iter().zip(&mixed).map(|(x, y)| x + y).collect()
            };
            let up = layer(&name("mlp.up"), &norm(&name("norm2"), &x)?, [d, hidden], true, None)?;
            x = layer(&name("mlp.down"), &up, [hidden, d], false, Some(&x))?;
        }
        layer("head", &norm("norm", &x)?, [d, VOCABULARY as usize], false, None)
    }

    /// The losses of the first n positions in nats, one each.
    ///
    /// # Errors
    /// As [`Truth::logits`].
    pub(super) fn losses(&self, tokens: &[u32], targets: &[u32]) -> Result<Vec<f64>> {
        let logits = self.logits(tokens)?;
        Ok(cross_entropy::forward(tokens.len(), VOCABULARY as usize, &logits, targets).loss)
    }

    /// The layer of AFT or attention over the first positions. `qkv` holds q, k and v; for AFT-conv, whose keys are per head, q,
    /// v and k.
    fn mix(&self, name: &str, dims: Dims, qkv: &[f64]) -> Result<Vec<f64>> {
        let Dims { t, d, .. } = dims;
        let heads = self.config.heads as usize;
        let row = self.columns() as usize;
        let part = |from: usize, cols: usize| -> Vec<f64> {
            qkv.chunks(row).flat_map(|row| &row[from..from + cols]).copied().collect()
        };
        let [q, k, v] = match self.is_conv() {
            true => [part(0, d), part(2 * d, heads), part(d, d)],
            false => [part(0, d), part(d, d), part(2 * d, d)],
        };
        let Some(form) = self.config.sized_form() else {
            let attention = attention::Attention { dims, heads, causal: true, mask: None };
            return Ok(attention::forward(&attention, &q, &k, &v).y);
        };
        let layout = layout(form, t, heads, true);
        let bias = |part: &str| self.get(&format!("{name}.{part}"));
        let w = match form.rank() {
            Some(rank) => {
                let [u, v] = ["bias.u", "bias.v"].map(bias);
                factors::forward(layout.as_ref(), rank, &u?[..t * rank], &v?[..t * rank])
            }
            None if form.is_conv() => {
                kernel_norm::forward(bias("kernel.raw")?, bias("kernel.gamma")?, bias("kernel.beta")?)
            }
            None => Vec::new(),
        };
        let heads = if form.is_conv() { heads } else { d };
        let inputs = Inputs { dims, heads, causal: true, q: Some(&q), k: &k, v: &v, mask: None };
        Ok(mix::forward(&inputs, layout.as_ref(), &w).y)
    }

    /// Whether keys are per head, as in AFT-conv.
    fn is_conv(&self) -> bool {
        self.config.variant.form().is_some_and(Form::is_conv)
    }

    /// Columns of the projection to q, k and v. A model's channels are whole vec4s.
    fn columns(&self) -> u32 {
        let LanguageConfig { dim, heads, .. } = self.config;
        if self.is_conv() { heads::cols(dim, heads) } else { qkv_cols(dim) }
    }

    fn get(&self, name: &str) -> Result<&[f64]> {
        let missing = || Error::Config(format!("the model has no tensor {name}"));
        self.tensors.get(name).map(Vec::as_slice).ok_or_else(missing)
    }
}
