//! The paper's language model in every variant, at sizes that fit the device.

use crate::bench::describe::plan;
use crate::bench::options::Effort;
use crate::bench::result::Row;
use crate::error::Result;
use crate::form::Form;
use crate::gpu::{AdapterClass, Gpu, Placement};
use crate::models::language::{Language, LanguageConfig};
use crate::nn::{Init, Mixer};
use crate::random::{below, normal_pair};

/// A model and its batch size.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::bench) struct Model {
    pub(super) config: LanguageConfig,
    pub(super) batch: u32,
}

/// Channels in a head of attention, the default of `aft train text`.
const ATTENTION_HEAD: u32 = 16;
/// Channels in a head of AFT-conv, also the default.
const CONV_HEAD: u32 = 4;

/// The model that an adapter trains in two minutes. At full effort also its other variants, and the paper's width and length with
/// AFT-local and with attention: twelve layers on a GPU, otherwise two.
pub(super) fn all(class: AdapterClass, effort: Effort) -> Vec<Model> {
    let small = LanguageConfig::for_adapter(class);
    let software = class == AdapterClass::Software;
    let mut all = vec![Model { config: small.clone(), batch: if software { 2 } else { 16 } }];
    if effort == Effort::Full {
        let forms = [Form::Simple, Form::Full, Form::Conv1d].map(Mixer::Aft);
        for variant in forms.into_iter().chain([Mixer::Attention]) {
            let heads = match variant {
                Mixer::Attention => small.dim / ATTENTION_HEAD,
                Mixer::Aft(form) if form.is_conv() => small.dim / CONV_HEAD,
                Mixer::Aft(_) => 1,
            };
            all.push(Model { config: LanguageConfig { variant, heads, ..small.clone() }, batch: all[0].batch });
        }
        let paper = LanguageConfig { dropout: 0.0, ..LanguageConfig::paper_enwik8() };
        let local = LanguageConfig { layers: if software { 2 } else { paper.layers }, ..paper };
        let heads = local.dim / super::attention::HEAD as u32;
        let attention = LanguageConfig { variant: Mixer::Attention, heads, ..local.clone() };
        all.extend([local, attention].map(|config| Model { config, batch: if software { 1 } else { 4 } }));
    }
    all
}

impl Model {
    pub(super) fn row(&self) -> Row {
        let LanguageConfig { variant, dim, length, window, heads, .. } = self.config;
        let windowed = self.config.sized_form().is_some_and(|form| form.window().is_some());
        let headed = variant.form().is_none_or(Form::is_conv);
        Row {
            form: Some(variant.to_string()),
            B: Some(self.batch),
            T: Some(length),
            D: Some(dim),
            s: windowed.then_some(window),
            H: headed.then_some(heads),
            causal: Some(true),
            ..Row::default()
        }
    }

    /// Approximate time of a training step or of generation, in the units of [`super::case::Case::effort`].
    pub(super) fn effort(&self) -> f64 {
        (self.numbers() * f64::from(self.batch * self.config.length) / 6e8).clamp(1.0, 12.0)
    }

    /// Approximate number of parameters in its layers.
    pub(super) fn numbers(&self) -> f64 {
        let LanguageConfig { dim, layers, mlp_ratio, .. } = self.config;
        f64::from(layers) * f64::from(4 + 2 * mlp_ratio) * f64::from(dim).powi(2)
    }

    /// The kernel plan as text.
    pub(super) fn plan(&self, gpu: &Gpu, placement: Placement) -> String {
        format!("{} layers; {}", self.config.layers, plan(gpu, placement))
    }
}

/// Gives small random values to tensors that start at 0: biases, and the kernels of AFT-conv, which starts as AFT-simple.
/// Otherwise the check would not notice if they were ignored.
///
/// # Errors
/// As [`crate::nn::Parameters::write`].
pub(super) fn stir(gpu: &Gpu, model: &Language) -> Result<()> {
    let parameters = &model.parameters;
    for (i, spec) in parameters.specs().iter().enumerate() {
        let (Init::Zeros, Some(id)) = (spec.init, parameters.find(&spec.name)) else { continue };
        let value = |at: u32| (0.1 * normal_pair([7, 0x6265_6e63, i as u32, at])[0]) as f32;
        parameters.write(gpu, id, &(0..spec.rows * spec.cols).map(value).collect::<Vec<_>>())?;
    }
    parameters.refresh(gpu);
    Ok(())
}

/// `len` random letters.
pub(super) fn letters(stream: u32, len: usize) -> Vec<u32> {
    (0..len).map(|i| 97 + below([stream, 0x6265_6e63, i as u32, 0], 26) as u32).collect()
}
