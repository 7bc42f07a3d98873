//! Model files, and what they share with checkpoints: tensor names and shapes, and the header.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::gpu::Gpu;
use crate::models::container::{Container, Data, Tensor, broken, write};
use crate::models::language::{Language, LanguageConfig};
use crate::nn::Spec;

/// Prefix of the tensors that only training needs.
pub(crate) const TRAINING: &str = "train.";

/// The header of a model's file and of a checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// The model.
    pub(crate) language: LanguageConfig,
    /// In a checkpoint, the run as [`crate::train`] defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) train: Option<serde_json::Value>,
}

impl Header {
    /// Reads and validates the header of a file.
    pub(crate) fn read(file: &Container<'_>) -> Result<Self> {
        let header: Self = file.header()?;
        // Checked before allocating by `layers`: a small file must not request much memory.
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
    /// [`crate::Error::DeviceLost`].
    pub async fn save(&self, gpu: &Gpu) -> Result<Vec<u8>> {
        let values = self.parameters.read(gpu).await?;
        let tensors = self.parameters.specs().iter().zip(&values);
        let tensors: Vec<_> = tensors.map(|(spec, values)| tensor(spec, "", values)).collect();
        write(&Header { language: self.config.clone(), train: None }, &tensors)
    }

    /// Reads the configuration from the bytes of a model file or checkpoint.
    ///
    /// # Errors
    /// [`crate::Error::Format`] if it is not a model of this crate.
    pub fn read_config(bytes: &[u8]) -> Result<LanguageConfig> {
        Ok(Header::read(&Container::read(bytes)?)?.language)
    }

    /// Loads a model file or checkpoint from its bytes, for inference on `rows` = B T rows. All tensors are checked before
    /// anything is allocated on the device.
    ///
    /// # Errors
    /// [`crate::Error::Format`] if a tensor is missing, unknown, not finite, or of the wrong shape or type.
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

/// Reads configuration and weights from the bytes of a model file or checkpoint. The tensors are unpadded, in the order of the
/// model's parameters.
pub(crate) fn weights(bytes: &[u8]) -> Result<(LanguageConfig, Vec<Vec<f32>>)> {
    let file = Container::read(bytes)?;
    let Header { language: config, train } = Header::read(&file)?;
    let specs = config.specs()?;
    refuse_unknown(&file, &specs, train.is_some())?;
    let values = specs.iter().map(|spec| file.floats(&spec.name, &shape(spec))).collect::<Result<Vec<_>>>()?;
    Ok((config, values))
}

/// Fails on a tensor that belongs neither to the model nor to training.
pub(crate) fn refuse_unknown(file: &Container<'_>, specs: &[Spec], training: bool) -> Result<()> {
    let known = |name: &str| (training && name.starts_with(TRAINING)) || specs.iter().any(|spec| spec.name == name);
    match file.names().into_iter().find(|name| !known(name)) {
        Some(extra) => Err(broken(format!("the tensor {extra} does not belong to the model"))),
        None => Ok(()),
    }
}

/// A tensor with the shape of `spec`; its name gets `prefix`.
pub(crate) fn tensor<'a>(spec: &Spec, prefix: &str, values: &'a [f32]) -> Tensor<'a> {
    Tensor { name: format!("{prefix}{}", spec.name), shape: shape(spec), data: Data::F32(values) }
}

/// The shape of a tensor in the file: a vector has one axis.
pub(crate) fn shape(spec: &Spec) -> Vec<usize> {
    let [rows, cols] = [spec.rows as usize, spec.cols as usize];
    if rows == 1 { vec![cols] } else { vec![rows, cols] }
}
