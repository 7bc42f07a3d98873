//! Gives a model's file that a test has changed the checksum that goes with it.

use std::collections::HashMap;

use safetensors::SafeTensors;
use serde_json::Value;

/// `file` with the right checksum in its metadata.
pub fn sealed(file: &[u8]) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(file).unwrap();
    let mut aft: Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["aft"]).unwrap();
    aft.as_object_mut().unwrap().remove("crc32").unwrap();
    let mut tensors = SafeTensors::deserialize(file).unwrap().tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(aft.to_string().as_bytes());
    tensors.iter().for_each(|(_, tensor)| hasher.update(tensor.data()));
    aft["crc32"] = hasher.finalize().into();
    safetensors::serialize(tensors, Some(HashMap::from([("aft".to_owned(), aft.to_string())]))).unwrap()
}
