//! The paper's language model at sizes that fit, and what the reference makes of it.

use std::collections::HashMap;

use super::super::measure::plan;
use super::super::result::Row;
use super::super::run::Effort;
use crate::error::{Error, Result};
use crate::gpu::{AdapterClass, Gpu, Placement};
use crate::models::language::{Language, LanguageConfig, VOCABULARY};
use crate::nn::Variant;
use crate::reference::aft::{Inputs, Layout, band::Band, factors, full::Dense, mix, simple::NoBias};
use crate::reference::nn::linear::{self, Activation};
use crate::reference::nn::{attention, cross_entropy, embedding, layer_norm};
use crate::reference::{Dims, compare::widen};

/// A model, and the sequences of its batch.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::bench) struct Model {
    pub(super) config: LanguageConfig,
    pub(super) batch: u32,
}

/// Channels of a head of attention, as `aft train text` has them by default.
const HEAD: u32 = 16;

/// The model that an adapter trains in two minutes, and at full effort its other variants and the paper's width and length: all
/// twelve layers of it where a GPU computes, else two.
pub(super) fn all(class: AdapterClass, effort: Effort) -> Vec<Model> {
    let small = LanguageConfig::for_adapter(class);
    let software = class == AdapterClass::Software;
    let mut all = vec![Model { config: small.clone(), batch: if software { 2 } else { 16 } }];
    if effort == Effort::Full {
        for variant in [Variant::Simple, Variant::Full, Variant::Attention] {
            let heads = if variant == Variant::Attention { small.dim / HEAD } else { 1 };
            all.push(Model { config: LanguageConfig { variant, heads, ..small.clone() }, batch: all[0].batch });
        }
        let paper = LanguageConfig { dropout: 0.0, ..LanguageConfig::paper_enwik8() };
        let layers = if software { 2 } else { paper.layers };
        all.push(Model { config: LanguageConfig { layers, ..paper }, batch: if software { 1 } else { 4 } });
    }
    all
}

impl Model {
    pub(super) fn row(&self) -> Row {
        let LanguageConfig { variant, dim, length, window, heads, .. } = self.config;
        let windowed = matches!(variant, Variant::Local);
        Row {
            form: Some(variant.to_string()),
            B: Some(self.batch),
            T: Some(length),
            D: Some(dim),
            s: windowed.then_some(window),
            H: (variant == Variant::Attention).then_some(heads),
            causal: Some(true),
            ..Row::default()
        }
    }

    /// By which plan it runs, in words.
    pub(super) fn plan(&self, gpu: &Gpu, placement: Placement) -> String {
        format!("{} layers; {}", self.config.layers, plan(gpu, placement))
    }
}

/// The weights of a model by name, in f64.
pub(super) struct Truth {
    config: LanguageConfig,
    names: Vec<String>,
    tensors: HashMap<String, Vec<f64>>,
}

impl Truth {
    /// The weights as they are on the device.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub(super) async fn of(gpu: &Gpu, model: &Language) -> Result<Self> {
        let names: Vec<_> = model.parameters.specs().iter().map(|spec| spec.name.clone()).collect();
        let values = model.parameters.read(gpu).await?;
        let tensors = names.iter().cloned().zip(values.iter().map(|values| widen(values))).collect();
        Ok(Self { config: model.config.clone(), names, tensors })
    }

    /// The weights moved by `step` times `direction`, a value for each in their order.
    pub(super) fn moved(&self, direction: &[Vec<f64>], step: f64) -> Self {
        let mut moved = Self { config: self.config.clone(), names: self.names.clone(), tensors: self.tensors.clone() };
        for (name, direction) in self.names.iter().zip(direction) {
            for (weight, by) in moved.tensors.entry(name.clone()).or_default().iter_mut().zip(direction) {
                *weight += step * by;
            }
        }
        moved
    }

    /// Logits [n, 256] of the first n positions, which see `tokens`.
    ///
    /// # Errors
    /// [`Error::Config`] for a model that this reference does not know.
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
        let mixer = if self.config.variant == Variant::Attention { "attention" } else { "aft" };
        for block in 0..layers {
            let name = |part: &str| format!("blocks.{block}.{part}");
            let qkv = layer(&name(&format!("{mixer}.qkv")), &norm(&name("norm1"), &x)?, [d, 3 * d], false, None)?;
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

    /// The sum of the losses of the first n positions in nats, each by itself as well.
    ///
    /// # Errors
    /// As [`Truth::logits`].
    pub(super) fn losses(&self, tokens: &[u32], targets: &[u32]) -> Result<Vec<f64>> {
        let logits = self.logits(tokens)?;
        Ok(cross_entropy::forward(tokens.len(), VOCABULARY as usize, &logits, targets).loss)
    }

    /// The layer of AFT or attention over its first positions.
    fn mix(&self, name: &str, dims: Dims, qkv: &[f64]) -> Result<Vec<f64>> {
        let Dims { t, d, .. } = dims;
        let LanguageConfig { variant, window, rank, heads, .. } = self.config;
        let part = |i: usize| qkv.chunks(3 * d).flat_map(|row| &row[i * d..(i + 1) * d]).copied().collect::<Vec<f64>>();
        let [q, k, v] = [part(0), part(1), part(2)];
        if variant == Variant::Attention {
            let attention = attention::Attention { dims, heads: heads as usize, causal: true, mask: None };
            return Ok(attention::forward(&attention, &q, &k, &v).y);
        }
        let layout: Box<dyn Layout> = match variant {
            Variant::Simple => Box::new(NoBias),
            Variant::Full => Box::new(Dense { t }),
            Variant::Local => Box::new(Band { t, window: window as usize, causal: true }),
            other => return Err(Error::Config(format!("a model of AFT-{other} is not measured"))),
        };
        let rank = rank as usize;
        let w = match variant {
            Variant::Simple => Vec::new(),
            _ => {
                let factor = |part: &str| Ok::<_, Error>(&self.get(&format!("{name}.bias.{part}"))?[..t * rank]);
                factors::forward(layout.as_ref(), rank, factor("u")?, factor("v")?)
            }
        };
        let inputs = Inputs { dims, heads: d, causal: true, q: Some(&q), k: &k, v: &v, mask: None };
        Ok(mix::forward(&inputs, layout.as_ref(), &w).y)
    }

    fn get(&self, name: &str) -> Result<&[f64]> {
        let missing = || Error::Config(format!("the model has no tensor {name}"));
        self.tensors.get(name).map(Vec::as_slice).ok_or_else(missing)
    }
}
