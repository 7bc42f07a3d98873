//! The reference against files that another framework made from the equations of the paper (tests/golden/make.py).
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use aft_wgpu::reference::Dims;
use aft_wgpu::reference::aft::{Inputs, Layout, band, conv, factors, full, kernel_norm, mix, simple};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// One file.
struct Golden {
    name: String,
    header: Value,
    bytes: Vec<u8>,
}

impl Golden {
    fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).map(Self::open).collect()
    }

    fn open(path: PathBuf) -> Self {
        let bytes = std::fs::read(&path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let header = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["aft"]).unwrap();
        Self { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), header, bytes }
    }

    fn text(&self, key: &str) -> &str {
        self.header[key].as_str().unwrap()
    }

    fn number(&self, key: &str) -> usize {
        self.header[key].as_u64().unwrap() as usize
    }

    fn causal(&self) -> bool {
        self.header["causal"].as_bool().unwrap()
    }

    fn dims(&self) -> Dims {
        Dims { b: self.number("batch"), t: self.number("time"), d: self.number("dim") }
    }

    /// A tensor, if the file has it.
    fn find(&self, name: &str) -> Option<Vec<f64>> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(name).ok()?;
        Some(match tensor.dtype() {
            Dtype::F32 => tensor.data().chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap()).into()).collect(),
            Dtype::F64 => tensor.data().chunks(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect(),
            dtype => panic!("{}: {name} is {dtype:?}", self.name),
        })
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        self.find(name).unwrap_or_else(|| panic!("{}: no {name}", self.name))
    }

    /// Which keys count, if not all.
    fn mask(&self) -> Option<Vec<bool>> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        Some(tensors.tensor("mask").ok()?.data().iter().map(|counts| *counts == 1).collect())
    }

    fn layout(&self) -> Box<dyn Layout> {
        let (t, causal) = (self.dims().t, self.causal());
        let (heads, window) = (self.number("heads"), || self.number("window"));
        match self.text("variant") {
            "simple" => Box::new(simple::NoBias),
            "full" => Box::new(full::Dense { t }),
            "local" => Box::new(band::Band { t, window: window(), causal }),
            "conv1d" => Box::new(conv::Line { heads, window: window(), causal }),
            "conv2d" => {
                let side = |i: usize| self.header["grid"][i].as_u64().unwrap() as usize;
                Box::new(conv::Grid { heads, window: window(), rows: side(0), columns: side(1) })
            }
            other => panic!("{}: variant {other}", self.name),
        }
    }

    /// w, as the layout has it.
    fn w(&self, layout: &dyn Layout) -> Vec<f64> {
        match self.text("bias") {
            "none" => Vec::new(),
            "dense" => self.tensor("w"),
            "factorised" => {
                let (u, v) = (self.tensor("w_u"), self.tensor("w_v"));
                factors::forward(layout, u.len() / self.dims().t, &u, &v)
            }
            "normalised" => {
                let [raw, gamma, beta] = ["w_raw", "w_gamma", "w_beta"].map(|name| self.tensor(name));
                kernel_norm::forward(&raw, &gamma, &beta)
            }
            other => panic!("{}: bias {other}", self.name),
        }
    }

    /// The gradients of what w was made of, by name.
    fn fold(&self, layout: &dyn Layout, dw: Vec<f64>) -> Vec<(&'static str, Vec<f64>)> {
        match self.text("bias") {
            "none" => Vec::new(),
            "factorised" => {
                let (u, v) = (self.tensor("w_u"), self.tensor("w_v"));
                let factors::Gradient { du, dv } = factors::gradient(layout, u.len() / self.dims().t, &u, &v, &dw);
                vec![("dw_u", du), ("dw_v", dv)]
            }
            "normalised" => {
                let kernel_norm::Gradient { draw, dgamma, dbeta } =
                    kernel_norm::gradient(&self.tensor("w_raw"), &self.tensor("w_gamma"), &dw);
                vec![("dw_raw", draw), ("dw_gamma", dgamma), ("dw_beta", dbeta)]
            }
            _ => vec![("dw", dw)],
        }
    }

    /// y and every gradient that the reference gives, by name; `causal` is whether its sums end at t' = t.
    fn evaluate(&self, causal: bool) -> Vec<(&'static str, Vec<f64>)> {
        let (q, mask) = (self.find("q"), self.mask());
        assert_eq!(q.is_some(), self.text("gate") == "sigmoid", "{}", self.name);
        let inputs = Inputs {
            dims: self.dims(),
            heads: self.number("heads"),
            causal,
            q: q.as_deref(),
            k: &self.tensor("k"),
            v: &self.tensor("v"),
            mask: mask.as_deref(),
        };
        let layout = &*self.layout();
        let w = self.w(layout);
        let grad = mix::gradient(&inputs, layout, &w, &self.tensor("dy"));
        let mut results = vec![("y", mix::forward(&inputs, layout, &w).y), ("dk", grad.dk), ("dv", grad.dv)];
        results.extend(q.is_some().then_some(("dq", grad.dq)));
        results.extend(self.fold(layout, grad.dw));
        results
    }
}

/// Some roundings of an f64 (2^-53) in each of two sums, whose errors do not all add up: 4e-16 was seen, and another
/// system's exp may be a unit off.
const RELATIVE: f64 = 4e-15;

fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|x| !x.is_nan()).fold(0.0, |largest, x| x.abs().max(largest))
}

#[test]
fn the_reference_is_what_another_framework_makes_of_the_equations() {
    for golden in Golden::all() {
        // Terms of a gradient are of this size, though they may cancel.
        let terms = largest(&golden.tensor("dy")) * largest(&golden.tensor("v"));
        for (name, actual) in golden.evaluate(golden.causal()) {
            let expected = golden.tensor(name);
            assert_eq!(actual.len(), expected.len(), "{}: {name}", golden.name);
            let tolerance = RELATIVE * largest(&expected).max(terms);
            for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
                assert!((a - e).abs() <= tolerance, "{}: {name}[{i}] is {a:e}, expected {e:e}", golden.name);
            }
        }
    }
}

#[test]
fn the_files_hold_every_form() {
    let found: BTreeSet<_> = Golden::all()
        .iter()
        .map(|golden| {
            let words = ["variant", "bias"].map(|key| golden.text(key).to_owned());
            (words, golden.causal(), golden.mask().is_some())
        })
        .collect();
    for causal in [true, false] {
        for mask in [true, false] {
            for form in [["simple", "none"], ["full", "dense"], ["full", "factorised"], ["local", "dense"]] {
                assert!(found.contains(&(form.map(str::to_owned), causal, mask)), "{form:?} {causal} {mask}");
            }
            for form in [["local", "factorised"], ["conv1d", "dense"], ["conv2d", "dense"]] {
                assert!(found.contains(&(form.map(str::to_owned), causal, mask)), "{form:?} {causal} {mask}");
            }
        }
        for form in [["conv1d", "normalised"], ["conv2d", "normalised"]] {
            assert!(found.contains(&(form.map(str::to_owned), causal, false)), "{form:?} {causal}");
        }
    }
}

/// Were a result zero, or the same for another form, no file could tell right from wrong.
#[test]
fn the_files_can_tell_right_from_wrong() {
    for golden in Golden::all() {
        let of_one_key = golden.dims().t == 1;
        let wrong = golden.evaluate(!golden.causal());
        for (name, wrong) in wrong {
            let right = golden.tensor(name);
            if right.is_empty() || of_one_key {
                continue;
            }
            assert!(largest(&right) > 0.05, "{}: {name} vanishes", golden.name);
            let differs = right.iter().zip(&wrong).any(|(right, wrong)| (right - wrong).abs() > 1e-3);
            assert!(differs, "{}: {name} is the same when causal and when not", golden.name);
        }
        if golden.mask().is_some() {
            assert!(golden.tensor("k").iter().any(|k| k.is_nan()), "{}: no masked key is NaN", golden.name);
        }
    }
}
