//! A model in a safetensors file: its tensors by name, and its configuration as the one metadata entry `aft`. The bytes depend
//! on the model alone.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::models::language::{Language, LanguageConfig};
use crate::nn::Spec;

/// The version of the format.
const VERSION: u32 = 1;

/// The metadata entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    language: LanguageConfig,
}

impl Language {
    /// The model as bytes of a safetensors file.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the device went away.
    pub async fn save(&self, gpu: &Gpu) -> Result<Vec<u8>> {
        let values = self.parameters.read(gpu).await?;
        let header = Header { format: VERSION, language: self.config.clone() };
        let specs = self.parameters.specs();
        let views = specs.iter().zip(&values).map(|(spec, values)| {
            let view = TensorView::new(Dtype::F32, shape(spec), bytemuck::cast_slice(values))
                .map_err(|e| broken(e.to_string()))?;
            Ok((spec.name.clone(), view))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        let json = serde_json::to_string(&header).map_err(|e| broken(e.to_string()))?;
        let metadata = HashMap::from([("aft".to_owned(), json)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| broken(e.to_string()))
    }

    /// The configuration in the bytes of a model file.
    ///
    /// # Errors
    /// [`Error::Format`] if it is not a model of ours.
    pub fn read_config(bytes: &[u8]) -> Result<LanguageConfig> {
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| broken(format!("not a safetensors file: {e}")))?;
        let entry = metadata.metadata().as_ref().and_then(|m| m.get("aft"));
        let json = entry.ok_or_else(|| broken("a safetensors file, but not of a model of aft-wgpu".into()))?;
        let format: serde_json::Value =
            serde_json::from_str(json).map_err(|e| broken(format!("its metadata is broken: {e}")))?;
        match format.get("format").and_then(serde_json::Value::as_u64) {
            Some(version) if version > u64::from(VERSION) => {
                return Err(broken(format!("written by a newer version (format {version}, this one reads {VERSION})")));
            }
            _ => {}
        }
        let header: Header =
            serde_json::from_value(format).map_err(|e| broken(format!("its metadata is broken: {e}")))?;
        header.language.validate()?;
        Ok(header.language)
    }

    /// The model in the bytes of a file, for inference on `rows` = B T rows. Nothing is allocated before all tensors were found
    /// right.
    ///
    /// # Errors
    /// [`Error::Format`] if a tensor is missing, unknown, of another shape or type, or not finite.
    pub async fn load(gpu: &Gpu, bytes: &[u8], rows: u32) -> Result<Self> {
        let config = Self::read_config(bytes)?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| broken(e.to_string()))?;
        let specs = config.specs()?;
        if let Some(extra) = file.names().into_iter().find(|name| specs.iter().all(|s| s.name != **name)) {
            return Err(broken(format!("the tensor {extra} does not belong to the model")));
        }
        let values = specs.iter().map(|spec| read_tensor(&file, spec)).collect::<Result<Vec<_>>>()?;
        config.check_limits(gpu, rows)?;
        gpu.checked("loading the model", || {
            let model = Self::new(gpu, &config, rows, false, None)?;
            for (spec, values) in specs.iter().zip(&values) {
                if let Some(id) = model.parameters.find(&spec.name) {
                    model.parameters.write(gpu, id, values)?;
                }
            }
            model.parameters.refresh(gpu);
            Ok(model)
        })
        .await
    }
}

/// The values of a tensor, if it is as `spec` says and finite.
fn read_tensor(file: &SafeTensors<'_>, spec: &Spec) -> Result<Vec<f32>> {
    let name = &spec.name;
    let view = file.tensor(name).map_err(|_| broken(format!("the tensor {name} is missing")))?;
    let wanted = shape(spec);
    if view.dtype() != Dtype::F32 || view.shape() != wanted {
        let found = format!("{:?} {:?}", view.dtype(), view.shape());
        return Err(broken(format!("the tensor {name} is {found}, not F32 {wanted:?}")));
    }
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(broken(format!("the tensor {name} is not finite at element {i}"))),
        None => Ok(values),
    }
}

/// A tensor's shape in the file: a vector has one axis.
fn shape(spec: &Spec) -> Vec<usize> {
    let [rows, cols] = [spec.rows as usize, spec.cols as usize];
    if rows == 1 { vec![cols] } else { vec![rows, cols] }
}

fn broken(message: String) -> Error {
    Error::Format { path: "model file".into(), message }
}
