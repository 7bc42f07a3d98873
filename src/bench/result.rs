//! Benchmark results: the JSON of `aft bench --format json`, version [`SCHEMA`].

use serde::{Deserialize, Serialize};

/// Name and version of the format. Incompatible changes raise the version.
pub const SCHEMA: &str = "aft-bench/1";

/// The results of one run on one adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whether the run finished. A file has this field only if it did not.
    #[serde(default = "complete", skip_serializing_if = "is_complete")]
    pub complete: bool,
    /// The adapter, its clock and the program.
    pub adapter: Adapter,
    /// Limits that the adapter reaches in plain kernels.
    pub limits: Vec<Limit>,
    /// Measured cases, whether they passed the gate or not.
    pub rows: Vec<Row>,
    /// Cases that do not fit or need a feature that the device lacks.
    pub skipped: Vec<Skipped>,
}

fn complete() -> bool {
    true
}

/// Whether a file leaves the field out.
pub(super) fn is_complete(complete: &bool) -> bool {
    *complete
}

/// The adapter, its clock, and the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// Name given by the driver.
    pub name: String,
    /// PCI identifier of the vendor; 0 if unknown.
    pub vendor: u32,
    /// PCI identifier of the device; 0 if unknown.
    pub device: u32,
    /// Name and version of the driver.
    pub driver: String,
    /// Vulkan, Metal, Dx12 or BrowserWebGpu.
    pub backend: String,
    /// Discrete GPU, integrated GPU, GPU of unknown kind, or software on the CPU.
    pub class: String,
    /// Whether shaders run on the CPU.
    pub software: bool,
    /// Granted features that the kernels use.
    pub features: Vec<String>,
    /// Granted limits that the kernels use, by their WebGPU names.
    pub granted: std::collections::BTreeMap<String, u64>,
    /// "timestamp" or "wall".
    pub clock: String,
    /// The smallest step of the clock, in nanoseconds.
    pub clock_resolution_ns: f64,
    /// Why timestamps are not used although the device has them.
    pub clock_note: Option<String>,
    /// Version of this library.
    pub version: String,
    /// Commit of this library, if it was built from a checkout.
    pub commit: Option<String>,
}

/// A limit: what the adapter reaches in a plain kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Name that [`Row::limit`] refers to: "fma", "exp", "copy storage", "3r1w texture", "read uniform", "dispatch", "submit",
    /// and so on.
    pub name: String,
    /// Median of the rounds, in `unit`.
    pub value: f64,
    /// "GFLOP/s", "Gexp/s", "GB/s" or "us".
    pub unit: String,
    /// Smallest value of the rounds.
    pub min: f64,
    /// Largest value of the rounds.
    pub max: f64,
}

/// One case. Fields that do not apply are null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "B, T, D and H are the paper's names")]
pub struct Row {
    /// Such as "aft", "attention", "linear", "layer_norm", "train", "generate".
    pub op: String,
    /// Such as "full", "full factorised", "simple", "local", "conv1d", "conv2d"; for a model its variant.
    pub form: Option<String>,
    /// "forward", "gradient", "step", "token" or "first token".
    pub direction: String,
    /// Sequences.
    pub B: Option<u32>,
    /// Positions in a sequence.
    pub T: Option<u32>,
    /// Channels.
    pub D: Option<u32>,
    /// Window, or kernel size.
    pub s: Option<u32>,
    /// Heads.
    pub H: Option<u32>,
    /// Whether row t reads only keys t' <= t.
    pub causal: Option<bool>,
    /// "pass" or "fail". After "fail" there are no times.
    pub gate: String,
    /// Milliseconds of one execution: the median of the rounds, each the mean of its executions.
    pub median_ms: Option<f64>,
    /// Milliseconds of one execution in the shortest round.
    pub min_ms: Option<f64>,
    /// 90th percentile of the rounds.
    pub p90_ms: Option<f64>,
    /// Timed executions.
    pub repetitions: Option<u32>,
    /// "timestamp" or "wall".
    pub clock: Option<String>,
    /// Operations, counted as in `results/README.md`.
    pub flops: Option<f64>,
    /// Bytes that must be read and written.
    pub bytes: Option<f64>,
    /// The limit ([`Limit::name`]) that it was timed in turns with.
    pub limit: Option<String>,
    /// Median over the rounds of the percentage of that limit.
    pub percent_of_limit: Option<f64>,
    /// The smallest and the largest of these percentages.
    pub percent_spread: Option<[f64; 2]>,
    /// Tokens per second, for a model.
    pub tokens_per_second: Option<f64>,
    /// Peak device memory of our allocator, in bytes.
    pub peak_bytes: Option<u64>,
    /// The largest error in units of its tolerance.
    pub error: Option<f64>,
    /// The kernel plan.
    pub plan: Option<String>,
}

/// A skipped case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The case as text.
    pub case: String,
    /// Why it was skipped.
    pub reason: String,
}
