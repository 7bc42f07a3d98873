//! A model in a file of its own, and what it shares with a checkpoint: the names and shapes of its tensors, and the header.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::gpu::Gpu;
use crate::models::container::{Container, Data, Tensor, broken, write};
use crate::models::language::{Language, LanguageConfig};
use crate::nn::Spec;

/// What the names of tensors begin with that only a run in training needs.
pub(crate) const TRAINING: &str = "train.";

/// The header of a model's file and of a checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The model.
    pub(crate) language: LanguageConfig,
    /// In a checkpoint: the run, as [`crate::train`] describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) train: Option<serde_json::Value>,
}

impl Header {
    /// The header of a file, with a model that makes sense.
    pub(crate) fn read(file: &Container<'_>) -> Result<Self> {
        let header: Self = file.header()?;
        // Before anything is made by that number: a small file must not ask for much memory.
        let (layers, tensors) = (header.language.layers, file.names().len());
        if layers as usize > tensors {
            return Err(broken(format!("it says {layers} layers and has {tensors} tensors")));
        }
        header.language.validate().map_err(|e| broken(e.to_string()))?;
        Ok(header)
    }
}

impl Language {
    /// The model as bytes of a safetensors file.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device went away.
    pub async fn save(&self, gpu: &Gpu) -> Result<Vec<u8>> {
        let values = self.parameters.read(gpu).await?;
        let tensors = self.parameters.specs().iter().zip(&values);
        let tensors: Vec<_> = tensors.map(|(spec, values)| tensor(spec, "", values)).collect();
        write(&Header { language: self.config.clone(), train: None }, &tensors)
    }

    /// The configuration in the bytes of a model's file or of a checkpoint.
    ///
    /// # Errors
    /// [`crate::Error::Format`] if it is not a model of ours.
    pub fn read_config(bytes: &[u8]) -> Result<LanguageConfig> {
        Ok(Header::read(&Container::read(bytes)?)?.language)
    }

    /// The model in the bytes of a file or of a checkpoint, for inference on `rows` = B T rows. Nothing is allocated on the
    /// device before all tensors were found right.
    ///
    /// # Errors
    /// [`crate::Error::Format`] if a tensor is missing, unknown, of another shape or type, or not finite.
    pub async fn load(gpu: &Gpu, bytes: &[u8], rows: u32) -> Result<Self> {
        let (config, values) = weights(bytes)?;
        config.check_limits(gpu, rows)?;
        gpu.checked("loading the model", || {
            let model = Self::new(gpu, &config, rows, false, None)?;
            model.parameters.write_all(gpu, &values)?;
            Ok(model)
        })
        .await
    }
}

/// What a model is made of, and its weights, in the bytes of its file or of a checkpoint: of each tensor the values, unpadded, in
/// the order of the model's parameters.
pub(crate) fn weights(bytes: &[u8]) -> Result<(LanguageConfig, Vec<Vec<f32>>)> {
    let file = Container::read(bytes)?;
    let Header { language: config, train } = Header::read(&file)?;
    let specs = config.specs()?;
    refuse_unknown(&file, &specs, train.is_some())?;
    let values = specs.iter().map(|spec| file.floats(&spec.name, &shape(spec))).collect::<Result<Vec<_>>>()?;
    Ok((config, values))
}

/// Fails on a tensor that does not belong to the model, nor to a run in training.
pub(crate) fn refuse_unknown(file: &Container<'_>, specs: &[Spec], training: bool) -> Result<()> {
    let known = |name: &str| (training && name.starts_with(TRAINING)) || specs.iter().any(|spec| spec.name == name);
    match file.names().into_iter().find(|name| !known(name)) {
        Some(extra) => Err(broken(format!("the tensor {extra} does not belong to the model"))),
        None => Ok(()),
    }
}

/// A tensor of the shape that `spec` says, under its name with a prefix.
pub(crate) fn tensor<'a>(spec: &Spec, prefix: &str, values: &'a [f32]) -> Tensor<'a> {
    Tensor { name: format!("{prefix}{}", spec.name), shape: shape(spec), data: Data::F32(values) }
}

/// A tensor's shape in the file: a vector has one axis.
pub(crate) fn shape(spec: &Spec) -> Vec<usize> {
    let [rows, cols] = [spec.rows as usize, spec.cols as usize];
    if rows == 1 { vec![cols] } else { vec![rows, cols] }
}
