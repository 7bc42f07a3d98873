//! What a benchmark says: the JSON of `aft bench --format json`, version [`SCHEMA`].

use serde::{Deserialize, Serialize};

/// Name and version of the format. A change that a reader could stumble over raises the version.
pub const SCHEMA: &str = "aft-bench/1";

/// The results of one run on one adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whether the run came to its end. A file says so only where it did not.
    #[serde(default = "complete", skip_serializing_if = "is_complete")]
    pub complete: bool,
    /// What was measured on.
    pub adapter: Adapter,
    /// What the adapter reaches in plain kernels.
    pub limits: Vec<Limit>,
    /// What was measured, each a case that passed its gate, or did not.
    pub rows: Vec<Row>,
    /// Cases that do not fit or need what is not granted.
    pub skipped: Vec<Skipped>,
}

fn complete() -> bool {
    true
}

/// Whether a file may leave the field out.
pub(super) fn is_complete(complete: &bool) -> bool {
    *complete
}

/// The adapter, its clock, and the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// As the driver gives it.
    pub name: String,
    /// PCI identifier of the vendor; 0 where it is not told.
    pub vendor: u32,
    /// PCI identifier of the device; 0 where it is not told.
    pub device: u32,
    /// Name and version of the driver.
    pub driver: String,
    /// Vulkan, Metal, Dx12 or BrowserWebGpu.
    pub backend: String,
    /// Discrete GPU, integrated GPU, GPU of unknown kind, or software on the processor.
    pub class: String,
    /// Whether shaders run on the processor.
    pub software: bool,
    /// Granted features that the kernels use.
    pub features: Vec<String>,
    /// Granted limits that the kernels use, by WebGPU's names.
    pub granted: std::collections::BTreeMap<String, u64>,
    /// "timestamp" or "wall".
    pub clock: String,
    /// The smallest step of the clock, in nanoseconds.
    pub clock_resolution_ns: f64,
    /// Why timestamps are not used, where the device has them.
    pub clock_note: Option<String>,
    /// Version of this library.
    pub version: String,
    /// Commit of this library, if it was built from a checkout.
    pub commit: Option<String>,
}

/// What the adapter reaches in a plain kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// As "fma", "exp", "copy storage", "3r1w texture", "read uniform", "dispatch", "submit": what [`Row::limit`] refers to.
    pub name: String,
    /// The median over the rounds, in `unit`.
    pub value: f64,
    /// "GFLOP/s", "Gexp/s", "GB/s" or "us".
    pub unit: String,
    /// The smallest over the rounds.
    pub min: f64,
    /// The largest over the rounds.
    pub max: f64,
}

/// One case. What has no meaning for it is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "B, T, D and H are the paper's names")]
pub struct Row {
    /// As "aft", "attention", "linear", "layer_norm", "train", "generate".
    pub op: String,
    /// As "full", "full factorised", "simple", "local", "conv1d", "conv2d"; of a model its variant.
    pub form: Option<String>,
    /// "forward", "gradient", "step", "token" or "first token".
    pub direction: String,
    /// Sequences.
    pub B: Option<u32>,
    /// Positions in a sequence.
    pub T: Option<u32>,
    /// Channels.
    pub D: Option<u32>,
    /// Window, or size of the kernel.
    pub s: Option<u32>,
    /// Heads.
    pub H: Option<u32>,
    /// Whether the sums end at t' = t.
    pub causal: Option<bool>,
    /// "pass", or "fail": then there are no times.
    pub gate: String,
    /// Milliseconds of one execution: the median over the rounds, each with the mean of its executions.
    pub median_ms: Option<f64>,
    /// That of the shortest round.
    pub min_ms: Option<f64>,
    /// Nine rounds of ten are not longer.
    pub p90_ms: Option<f64>,
    /// Timed executions.
    pub repetitions: Option<u32>,
    /// "timestamp" or "wall".
    pub clock: Option<String>,
    /// Operations, as `results/README.md` counts them.
    pub flops: Option<f64>,
    /// Bytes that have to be read and written.
    pub bytes: Option<f64>,
    /// The limit ([`Limit::name`]) that it was interleaved with.
    pub limit: Option<String>,
    /// The median over the rounds of the paired ratio to that limit.
    pub percent_of_limit: Option<f64>,
    /// The smallest and the largest of these ratios.
    pub percent_spread: Option<[f64; 2]>,
    /// Tokens a second; of a model.
    pub tokens_per_second: Option<f64>,
    /// Peak of the device memory that our allocator handed out.
    pub peak_bytes: Option<u64>,
    /// The largest error in units of its tolerance.
    pub error: Option<f64>,
    /// How it was planned.
    pub plan: Option<String>,
}

/// A case that was not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The case, in words.
    pub case: String,
    /// Why.
    pub reason: String,
}
