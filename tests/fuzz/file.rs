//! A small checkpoint written by hand: the format, once more.

use std::collections::BTreeMap;

use aft_wgpu::data::TextMark;
use aft_wgpu::gpu::{Placement, Tuning};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::random::pcg4d;
use aft_wgpu::train::{Plan, TrainConfig};
use serde_json::{Value, json};

const DIM: usize = 4;
const LENGTH: usize = 2;
pub const STEP: u32 = 3;

pub fn model() -> LanguageConfig {
    LanguageConfig {
        layers: 1,
        dim: DIM as u32,
        length: LENGTH as u32,
        window: 1,
        rank: 1,
        ..LanguageConfig::paper_enwik8()
    }
}

pub fn train() -> TrainConfig {
    TrainConfig { batch: 1, steps: 10, seed: 5, ..TrainConfig::paper_enwik8() }
}

fn plan() -> Plan {
    Plan { tuning: Tuning::CPU, planes: Placement::Texture }
}

/// A file in parts: the header's object and the data behind it.
#[derive(Clone)]
pub struct File {
    pub header: BTreeMap<String, Value>,
    pub data: Vec<u8>,
}

impl File {
    pub fn whole() -> Self {
        let block = [
            ("aft.out.bias", vec![DIM]),
            ("aft.out.weight", vec![DIM, DIM]),
            ("aft.qkv.bias", vec![3 * DIM]),
            ("aft.qkv.weight", vec![DIM, 3 * DIM]),
            ("aft.bias.u", vec![LENGTH, 1]),
            ("aft.bias.v", vec![LENGTH, 1]),
            ("mlp.down.bias", vec![DIM]),
            ("mlp.down.weight", vec![4 * DIM, DIM]),
            ("mlp.up.bias", vec![4 * DIM]),
            ("mlp.up.weight", vec![DIM, 4 * DIM]),
            ("norm1.bias", vec![DIM]),
            ("norm1.weight", vec![DIM]),
            ("norm2.bias", vec![DIM]),
            ("norm2.weight", vec![DIM]),
        ];
        let rest = [
            ("embedding.position", vec![LENGTH, DIM]),
            ("embedding.token", vec![256, DIM]),
            ("head.bias", vec![256]),
            ("head.weight", vec![DIM, 256]),
            ("norm.bias", vec![DIM]),
            ("norm.weight", vec![DIM]),
        ];
        let names = block.map(|(name, shape)| (format!("blocks.0.{name}"), shape));
        let names: Vec<_> = names.into_iter().chain(rest.map(|(name, shape)| (name.to_owned(), shape))).collect();
        let mut file = Self { header: BTreeMap::new(), data: Vec::new() };
        for (which, prefix) in (0u32..).zip(["", "train.moment1.", "train.moment2."]) {
            for (number, (name, shape)) in (0u32..).zip(&names) {
                let count: usize = shape.iter().product();
                let value = |i| (pcg4d([which, number, i, 0])[0] >> 8) as f32 / 16_777_216.0;
                let values: Vec<f32> = (0..count as u32).map(value).collect();
                file.add(&format!("{prefix}{name}"), "F32", shape, bytemuck::cast_slice(&values));
            }
        }
        let float = f32::to_bits;
        let state = [STEP, STEP, 5, 0, 0, STEP, 1, float(1e-3), float(0.5), float(0.1), float(0.02)];
        file.add("train.state", "U32", &[state.len()], bytemuck::cast_slice(&state));
        let text = TextMark { bytes: 1000, crc32: 77 };
        let run = json!({ "config": train(), "plan": plan(), "text": text });
        let aft = json!({ "format": 1, "language": model(), "train": run });
        file.header.insert("__metadata__".into(), json!({ "aft": aft.to_string() }));
        file
    }

    pub fn add(&mut self, name: &str, dtype: &str, shape: &[usize], bytes: &[u8]) {
        let start = self.data.len();
        self.data.extend(bytes);
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, self.data.len()] });
        self.header.insert(name.into(), entry);
    }

    /// The file with the right checksum, unless the metadata has one already or is none.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = self.header.clone();
        let entry = &mut header.get_mut("__metadata__").unwrap()["aft"];
        let aft = entry.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if let Some(mut aft) = aft.filter(|aft| aft.is_object() && aft.get("crc32").is_none()) {
            aft["crc32"] = self.checksum(&aft).into();
            *entry = aft.to_string().into();
        }
        raw(&serde_json::to_string(&header).unwrap(), &self.data)
    }

    /// Of the metadata, then of the tensors by name.
    fn checksum(&self, aft: &Value) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(aft.to_string().as_bytes());
        for entry in self.header.values() {
            if let Some([from, to]) =
                serde_json::from_value::<Option<[usize; 2]>>(entry["data_offsets"].clone()).unwrap()
            {
                hasher.update(&self.data[from..to]);
            }
        }
        hasher.finalize()
    }

    /// This file with a tensor's entry changed.
    pub fn entry(&self, name: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut file = self.clone();
        change(file.header.get_mut(name).unwrap());
        file.bytes()
    }

    /// This file with the metadata changed.
    pub fn metadata(&self, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        self.entry("__metadata__", |entry| {
            let mut aft = serde_json::from_str(entry["aft"].as_str().unwrap()).unwrap();
            change(&mut aft);
            entry["aft"] = aft.to_string().into();
        })
    }

    /// This file with word `i` of a tensor's data replaced.
    pub fn word(&self, name: &str, i: usize, word: u32) -> Vec<u8> {
        let mut file = self.clone();
        let at = file.header[name]["data_offsets"][0].as_u64().unwrap() as usize + 4 * i;
        file.data[at..at + 4].copy_from_slice(&word.to_le_bytes());
        file.bytes()
    }

    /// Names of all tensors but the state.
    pub fn floats(&self) -> impl Iterator<Item = &String> {
        self.header.keys().filter(|name| !["__metadata__", "train.state"].contains(&name.as_str()))
    }
}

/// The bytes of a safetensors file, with the spaces that tell ours from those of other writers.
pub fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    // Tensors begin at whole words.
    let padded = header.to_owned() + &" ".repeat(header.len().next_multiple_of(8) - header.len() + 8);
    [&(padded.len() as u64).to_le_bytes(), padded.as_bytes(), data].concat()
}
