//! Our safetensors files: tensors by name, and one metadata entry `aft` of JSON with sorted keys. The bytes depend on the
//! content alone, so that equal content is an equal file; a checksum over all of it tells a damaged one.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The version of the format.
const VERSION: u32 = 1;

/// The metadata key.
const KEY: &str = "aft";

/// In the metadata: the version, and the checksum of everything else.
const FORMAT: &str = "format";
const CRC32: &str = "crc32";

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

/// The bytes of a file of `tensors`, described by `header`, which serialises to an object.
pub(crate) fn write(header: &impl Serialize, tensors: &[Tensor<'_>]) -> Result<Vec<u8>> {
    let broken = |e: &dyn std::fmt::Display| broken(e.to_string());
    // A map of serde_json keeps its keys sorted.
    let mut header = serde_json::to_value(header).map_err(|e| broken(&e))?;
    header[FORMAT] = VERSION.into();
    let content = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.data.bytes().1));
    header[CRC32] = checksum(&header, content.collect()).into();
    let views = tensors.iter().map(|Tensor { name, shape, data }| {
        let (dtype, bytes) = data.bytes();
        TensorView::new(dtype, shape.clone(), bytes).map(|view| (name, view)).map_err(|e| broken(&e))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), header.to_string())]))).map_err(|e| broken(&e))
}

/// CRC-32 of the metadata without its checksum, then of all tensors' bytes in the order of their names.
fn checksum(header: &serde_json::Value, mut tensors: Vec<(&str, &[u8])>) -> u32 {
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.to_string().as_bytes());
    tensors.iter().for_each(|(_, bytes)| hasher.update(bytes));
    hasher.finalize()
}

/// A file that was found to be one of ours, and whole.
pub(crate) struct Container<'a> {
    tensors: SafeTensors<'a>,
    header: serde_json::Value,
}

impl<'a> Container<'a> {
    /// Recognises the bytes of a file, and that they are as they were written.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| broken(format!("not a safetensors file: {e}")))?;
        let entry = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let json = entry.ok_or_else(|| broken("a safetensors file, but not one of aft-wgpu".into()))?;
        let mut header = parse(json)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| broken(format!("not a safetensors file: {e}")))?;
        let crc32 = header.remove(CRC32).ok_or_else(|| broken("its metadata has no crc32".into()))?;
        let mut header = serde_json::Value::Object(header);
        let content = tensors.iter().map(|(name, view)| (name, view.data())).collect();
        if crc32 != checksum(&header, content) {
            return Err(broken("damaged: its content does not have the checksum that was written with it".into()));
        }
        if let Some(fields) = header.as_object_mut() {
            fields.remove(FORMAT);
        }
        Ok(Self { tensors, header })
    }

    /// The header that the file was written with.
    pub(crate) fn header<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.header).map_err(|e| broken(format!("its metadata is broken: {e}")))
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }

    /// The values of a tensor, all finite.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(self.data(name, Dtype::F32, shape)?);
        match values.iter().position(|v| !v.is_finite()) {
            Some(i) => Err(broken(format!("the tensor {name} is not finite at element {i}"))),
            None => Ok(values),
        }
    }

    /// The words of a tensor.
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

/// The metadata of a file of this version, in the one way that it is written: a checksum of values would not tell spaces, nor
/// the digits that a number does not need.
fn parse(json: &str) -> Result<serde_json::Map<String, serde_json::Value>> {
    let header: serde_json::Value =
        serde_json::from_str(json).map_err(|e| broken(format!("its metadata is broken: {e}")))?;
    match header.get(FORMAT).and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(VERSION) => {}
        Some(format) => {
            let age = if format > u64::from(VERSION) { "a newer" } else { "an older" };
            let reads = format!("format {format}, this one reads {VERSION}");
            return Err(broken(format!("written by {age} version of aft-wgpu ({reads})")));
        }
        None => return Err(broken("its metadata names no format".into())),
    }
    match header {
        serde_json::Value::Object(fields) if serde_json::to_string(&fields).is_ok_and(|text| text == json) => {
            Ok(fields)
        }
        _ => Err(broken("damaged: its metadata is not as it was written".into())),
    }
}

/// An error about the content of a file; who knows its path puts it in.
pub(crate) fn broken(message: String) -> Error {
    Error::Format { path: "model file".into(), message }
}
