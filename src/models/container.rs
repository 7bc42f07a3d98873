//! The safetensors container of this crate: named tensors, and one metadata entry `aft` of JSON with sorted keys. Equal content
//! gives equal bytes. A checksum over all content detects damage.
//!
//! The header ends with extra spaces. Other safetensors writers drop them. So a file with a wrong checksum was edited if the
//! spaces are missing, and damaged if they are there.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Format version.
const VERSION: u32 = 1;

/// The metadata key.
const KEY: &str = "aft";

/// Number of extra spaces at the end of the header, besides up to seven for alignment.
const SEAL: usize = 8;

/// Metadata field with the version and the checksum of everything else.
const FORMAT: &str = "format";
const CRC32: &str = "crc32";

type Fields = serde_json::Map<String, serde_json::Value>;

/// A tensor to write.
pub(crate) struct Tensor<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data<'a>,
}

/// The elements of a tensor, row-major.
#[derive(Clone, Copy)]
pub(crate) enum Data<'a> {
    F32(&'a [f32]),
    U32(&'a [u32]),
}

impl Data<'_> {
    fn bytes(&self) -> (Dtype, &[u8]) {
        match self {
            Self::F32(values) => (Dtype::F32, bytemuck::cast_slice(values)),
            Self::U32(values) => (Dtype::U32, bytemuck::cast_slice(values)),
        }
    }
}

/// The bytes of a file with `tensors`; `header` must serialise to an object.
pub(crate) fn write(header: &impl Serialize, tensors: &[Tensor<'_>]) -> Result<Vec<u8>> {
    // `serde_json` maps keep their keys sorted.
    let mut header = serde_json::to_value(header).map_err(|e| broken(e.to_string()))?;
    header[FORMAT] = VERSION.into();
    let views = tensors.iter().map(|Tensor { name, shape, data }| {
        let (dtype, bytes) = data.bytes();
        TensorView::new(dtype, shape.clone(), bytes)
            .map(|view| (name.as_str(), view))
            .map_err(|e| broken(e.to_string()))
    });
    seal(header, views.collect::<Result<_>>()?)
}

/// Adds the checksum and the extra spaces, and returns the bytes of the file.
fn seal(mut header: serde_json::Value, views: Vec<(&str, TensorView<'_>)>) -> Result<Vec<u8>> {
    header[CRC32] = checksum(&header, views.iter().map(|(name, view)| (*name, view.data())).collect()).into();
    let metadata = HashMap::from([(KEY.to_owned(), header.to_string())]);
    let mut bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| broken(e.to_string()))?;
    let end = header_end(&bytes).ok_or_else(|| broken("no header".into()))?;
    bytes.splice(end..end, [b' '; SEAL]);
    bytes[..8].copy_from_slice(&((end - 8 + SEAL) as u64).to_le_bytes());
    Ok(bytes)
}

/// Offset of the end of the header.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(*bytes.first_chunk()?);
    usize::try_from(length).ok()?.checked_add(8).filter(|&end| end <= bytes.len())
}

/// Whether the extra spaces are there: no other program has written the file since.
fn is_sealed(bytes: &[u8]) -> bool {
    header_end(bytes).is_some_and(|end| bytes[..end].ends_with(&[b' '; SEAL]))
}

/// Accepts a model file whose tensors or metadata another program has edited: writes a new checksum for the current content. An
/// unedited file is returned unchanged.
///
/// # Errors
/// [`Error::Format`] if it is not a file of this crate, or damaged.
pub fn accept_edited(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if is_sealed(&bytes) {
        return Ok(bytes);
    }
    let (_, mut fields, tensors) = parts(&bytes)?;
    fields.remove(CRC32);
    seal(fields.into(), tensors.iter().collect())
}

/// CRC-32 of the metadata without the checksum, then of all tensors' bytes in the order of their names.
fn checksum(header: &serde_json::Value, mut tensors: Vec<(&str, &[u8])>) -> u32 {
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.to_string().as_bytes());
    tensors.iter().for_each(|(_, bytes)| hasher.update(bytes));
    hasher.finalize()
}

/// A file that was checked to be undamaged and in this crate's format.
pub(crate) struct Container<'a> {
    tensors: SafeTensors<'a>,
    header: serde_json::Value,
}

impl<'a> Container<'a> {
    /// Reads and checks the bytes of a file.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let (json, mut fields, tensors) = parts(bytes)?;
        // The checksum covers parsed values, so it does not see changed spaces or redundant digits.
        if serde_json::to_string(&fields).ok() != Some(json) {
            return Err(changed(bytes, "its metadata is not as it was written"));
        }
        let crc32 = fields.remove(CRC32).ok_or_else(|| broken("its metadata has no crc32".into()))?;
        let mut header = serde_json::Value::Object(fields);
        let content = tensors.iter().map(|(name, view)| (name, view.data())).collect();
        if crc32 != checksum(&header, content) {
            return Err(changed(bytes, "its content does not have the checksum that was written with it"));
        }
        if let Some(fields) = header.as_object_mut() {
            fields.remove(FORMAT);
        }
        Ok(Self { tensors, header })
    }

    /// Deserialises the file's header.
    pub(crate) fn header<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.header).map_err(|e| broken(format!("its metadata is broken: {e}")))
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }

    /// Values of an f32 tensor. Fails if one is not finite.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(self.data(name, Dtype::F32, shape)?);
        match values.iter().position(|v| !v.is_finite()) {
            Some(i) => Err(broken(format!("the tensor {name} is not finite at element {i}"))),
            None => Ok(values),
        }
    }

    /// Values of a u32 tensor.
    pub(crate) fn words(&self, name: &str, shape: &[usize]) -> Result<Vec<u32>> {
        Ok(bytemuck::pod_collect_to_vec(self.data(name, Dtype::U32, shape)?))
    }

    fn data(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8]> {
        let view = self.tensors.tensor(name).map_err(|_| broken(format!("the tensor {name} is missing")))?;
        if view.dtype() == dtype && view.shape() == shape {
            return Ok(view.data());
        }
        let found = format!("{:?} {:?}", view.dtype(), view.shape());
        Err(broken(format!("the tensor {name} is {found}, not {dtype:?} {shape:?}")))
    }
}

/// The metadata of a file of this version, as text and as fields, and the tensors.
fn parts(bytes: &[u8]) -> Result<(String, Fields, SafeTensors<'_>)> {
    let foreign = |e| broken(format!("not a safetensors file: {e}"));
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(foreign)?;
    let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY)).ok_or_else(|| {
        broken(format!(
            "a safetensors file, but not one of aft-wgpu: its metadata has no entry \"{KEY}\", which describes the model. In \
             Python, save_file keeps it if it is given metadata=safe_open(OLD, \"np\").metadata()"
        ))
    })?;
    let header: serde_json::Value =
        serde_json::from_str(json).map_err(|e| broken(format!("its metadata is broken: {e}")))?;
    match (header.get(FORMAT).and_then(serde_json::Value::as_u64), header) {
        (Some(format), serde_json::Value::Object(fields)) if format == u64::from(VERSION) => {
            Ok((json.clone(), fields, SafeTensors::deserialize(bytes).map_err(foreign)?))
        }
        (Some(format), _) => {
            let age = if format > u64::from(VERSION) { "a newer" } else { "an older" };
            let reads = format!("format {format}, this one reads {VERSION}");
            Err(broken(format!("written by {age} version of aft-wgpu ({reads})")))
        }
        (None, _) => Err(broken("its metadata names no format".into())),
    }
}

/// Error for a file that was edited or damaged.
fn changed(bytes: &[u8], how: &str) -> Error {
    match is_sealed(bytes) {
        true => broken(format!("damaged: {how}")),
        false => {
            broken(format!("edited: another program saved it since, and {how}. --accept-edited takes it as it is"))
        }
    }
}

/// An error about the content of a file; the caller adds the path.
pub(crate) fn broken(message: String) -> Error {
    Error::Format { path: "model file".into(), message }
}
