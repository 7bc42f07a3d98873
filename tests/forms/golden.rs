//! The files that another framework made from the equations of the paper (tests/golden/make.py), through a device.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aft_wgpu::apply::{Gradients, Input, Outcome, Request};
use aft_wgpu::form::Form;
use aft_wgpu::gpu::Gpu;
use aft_wgpu::reference::aft::{Layout, band::Band, kernel_norm};
use libtest_mimic::Trial;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![trial(gpu, "golden::every_file_is_met", |gpu| {
        let all = Golden::all();
        assert!(all.len() >= 50, "{} files", all.len());
        for golden in all {
            golden.check(gpu);
        }
    })]
}

/// One file.
pub struct Golden {
    pub name: String,
    header: Value,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Golden {
    fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
        files.map(|path| Self::open(path.file_stem().unwrap().to_str().unwrap())).collect()
    }

    pub fn open(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let header = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["aft"]).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), numbers(&view))));
        Self { name: name.to_owned(), header, tensors: tensors.collect() }
    }

    fn number(&self, key: &str) -> usize {
        self.header[key].as_u64().unwrap() as usize
    }

    /// How a layer of this file is asked for.
    pub fn request(&self) -> Request {
        let variant: Form = self.header["variant"].as_str().unwrap().parse().unwrap();
        let side = |i: usize| self.header["grid"][i].as_u64().map(|n| n as usize);
        Request {
            variant,
            causal: self.header["causal"] == true,
            window: (variant == Form::Local).then(|| self.number("window")),
            grid: side(0).zip(side(1)).map(|(rows, columns)| [rows, columns]),
            gated: self.header["gate"] == "sigmoid",
        }
    }

    /// The band of AFT-local as this file has it.
    fn band(&self) -> Option<Band> {
        let Request { window, causal, .. } = self.request();
        let dense = self.tensors.contains_key("w");
        window.filter(|_| dense).map(|window| Band { t: self.number("time"), window, causal })
    }

    /// Entries of a band [T, columns] in a matrix [T, T].
    fn matrix(&self, band: &Band, entries: &[f64]) -> Vec<f64> {
        let mut matrix = vec![0.0; band.t * band.t];
        for (t, key) in (0..band.t).flat_map(|t| (0..band.t).map(move |key| (t, key))) {
            if let Some(entry) = band.entry(0, t, key) {
                matrix[t * band.t + key] = entries[entry];
            }
        }
        matrix
    }

    /// The inputs as a file for `aft apply`.
    pub fn input(&self) -> Vec<u8> {
        let mut inputs: BTreeMap<String, (Vec<usize>, Vec<f64>)> = self.tensors.clone();
        inputs.retain(|name, _| ["q", "k", "v", "w", "w_u", "w_v", "mask", "dy"].contains(&name.as_str()));
        if let Some(band) = self.band() {
            let matrix = self.matrix(&band, &self.tensors["w"].1);
            inputs.insert("w".into(), (vec![band.t, band.t], matrix));
        }
        if let Some((shape, raw)) = self.tensors.get("w_raw") {
            let w = kernel_norm::forward(raw, &self.tensors["w_gamma"].1, &self.tensors["w_beta"].1);
            inputs.insert("w".into(), (shape.clone(), w));
        }
        let bytes = |name: &str, values: &[f64]| match name {
            "mask" => values.iter().map(|v| *v as u8).collect::<Vec<u8>>(),
            _ => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
        };
        let data: Vec<_> = inputs.iter().map(|(name, (shape, values))| (name, shape, bytes(name, values))).collect();
        let views = data.iter().map(|(name, shape, bytes)| {
            let dtype = if *name == "mask" { Dtype::U8 } else { Dtype::F32 };
            (*name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    /// Where the file says nothing of w itself, by the reference: `input` is the layer.
    fn truth(&self, input: &Input) -> Outcome<f64> {
        let get = |name: &str| self.tensors.get(name).map(|(_, values)| values.clone());
        let problem = &input.problem;
        let mut dw = problem.truth().gradients.unwrap().dw;
        if let Some(golden) = get("dw") {
            dw[0] = golden;
            if let Some(band) = self.band() {
                // A window beyond T is one of T: there are fewer columns.
                let (matrix, layout) = (self.matrix(&band, &dw[0]), problem.layout());
                dw[0] = vec![0.0; layout.size()];
                for (t, key) in (0..band.t).flat_map(|t| (0..band.t).map(move |key| (t, key))) {
                    if let Some(entry) = layout.entry(0, t, key) {
                        dw[0][entry] = matrix[t * band.t + key];
                    }
                }
            }
        } else if let (Some(u), Some(v)) = (get("dw_u"), get("dw_v")) {
            dw = [u, v];
        }
        let dq = get("dq").unwrap_or_else(|| vec![0.0; problem.dims.size()]);
        let gradients = Gradients { dq, dk: get("dk").unwrap(), dv: get("dv").unwrap(), dw };
        Outcome { y: get("y").unwrap(), gradients: Some(gradients) }
    }

    fn check(&self, gpu: &Gpu) {
        let input = self.request().read(&self.input()).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let truth = self.truth(&input);
        for placement in PLACEMENTS {
            let outcome = run(gpu, &input.problem, placement);
            assert_true(&format!("{}, {placement:?}", self.name), &input.problem, &truth, &outcome);
            self.check_normalised(&outcome);
        }
    }

    /// The gradients of raw, gamma and beta, from what the device made of w.
    fn check_normalised(&self, outcome: &Outcome<f32>) {
        let Some((_, raw)) = self.tensors.get("w_raw") else { return };
        let dw: Vec<f64> = outcome.gradients.as_ref().unwrap().dw[0].iter().map(|v| f64::from(*v)).collect();
        let all = kernel_norm::gradient(raw, &self.tensors["w_gamma"].1, &dw);
        for (name, got) in [("dw_raw", all.draw), ("dw_gamma", all.dgamma), ("dw_beta", all.dbeta)] {
            let truth = &self.tensors[name].1;
            // Sums of entries that are good to 2e-6 of their largest.
            let tolerance = 1e-5 * truth.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (got, truth) in got.iter().zip(truth) {
                assert!((got - truth).abs() <= tolerance, "{}: {name} is {got}, expected {truth}", self.name);
            }
        }
    }

    /// Asserts that a file of results of `aft apply` holds what this one does.
    pub fn check_output(&self, bytes: &[u8]) {
        let file = SafeTensors::deserialize(bytes).unwrap();
        let largest = |values: &[f64]| values.iter().filter(|v| !v.is_nan()).fold(0.0f64, |m, v| m.max(v.abs()));
        // Terms of a gradient are of this size, though they may cancel; the tolerance is that of values of order 1.
        let terms = largest(&self.tensors["dy"].1) * largest(&self.tensors["v"].1);
        let mut names: Vec<_> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        let expected: Vec<_> =
            ["dk", "dq", "dv", "dw", "dw_u", "dw_v", "y"].into_iter().filter(|n| self.has(n)).collect();
        assert_eq!(names, expected, "{}", self.name);
        for name in names {
            let (mut shape, mut truth) = self.tensors[&name].clone();
            if let (Some(band), "dw") = (self.band(), name.as_str()) {
                (shape, truth) = (vec![band.t, band.t], self.matrix(&band, &truth));
            }
            let view = file.tensor(&name).unwrap();
            assert_eq!((view.dtype(), view.shape()), (Dtype::F32, &shape[..]), "{}: {name}", self.name);
            let tolerance = 1e-5 * largest(&truth).max(terms);
            for (got, truth) in numbers(&view).iter().zip(&truth) {
                let zero = *truth != 0.0 || *got == 0.0 || name != "dw";
                assert!((got - truth).abs() <= tolerance && zero, "{}: {name} is {got}, expected {truth}", self.name);
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}

/// A tensor's numbers; NaN stays NaN.
fn numbers(view: &TensorView<'_>) -> Vec<f64> {
    match view.dtype() {
        Dtype::F32 => view.data().chunks(4).map(|x| f32::from_le_bytes(x.try_into().unwrap()).into()).collect(),
        Dtype::F64 => view.data().chunks(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect(),
        Dtype::U8 => view.data().iter().map(|x| f64::from(*x)).collect(),
        dtype => panic!("a tensor of {dtype:?}"),
    }
}
