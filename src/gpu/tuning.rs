//! Tuning of kernels for CPUs and GPUs, in one place: a pure function of the adapter's class.
//!
//! A [`Tuning`] decides the order of sums, and so the last bits of every result. A checkpoint names the tuning that it
//! was trained with, and a resumed run uses the same.

use serde::{Deserialize, Serialize};

use super::adapter::{AdapterClass, variable};
use super::kernel::Placement;
use crate::error::{Error, Result};

/// Kernel shapes and storage of planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Hardware it is made for; the name in results and in the environment variable `AFT_TUNING`.
    pub target: Target,
    /// Whether planes are stored in textures where they fit: CPU drivers load from these at up to twice the speed of
    /// buffers.
    pub textures: bool,
    /// Body of matrix products.
    pub product: Product,
    /// Whether several threads share a row or a sum; otherwise one thread takes it.
    pub shared_rows: bool,
    /// Rows that a thread sums in the gradients of layer normalisation's gamma and beta.
    pub norm_rows: u32,
    /// Rows of attention whose scores are in memory at once.
    pub attention_rows: u32,
    /// Wanted number of threads in an AFT scan over time.
    pub scan_threads: u32,
    /// Fewest positions of a scan's thread.
    pub scan_positions: u32,
    /// Most vec4s of a row in a thread of a scan.
    pub scan_vec4s: u32,
    /// Most tiles of four rows that a thread of AFT with biases computes over a span of keys.
    pub mix_tiles: u32,
    /// Wanted number of workgroups in the gradient of AFT-conv's taps.
    pub tap_workgroups: u32,
    /// Most rows of one of those workgroups.
    pub tap_rows: u32,
    /// Threads of a workgroup in AFT over a stream.
    pub stream_threads: u32,
    /// Workgroups of the benchmark's roofline kernels.
    pub bench_workgroups: u32,
    /// Rows and columns of the planes that the benchmark copies.
    pub bench_plane: [u32; 2],
}

/// Hardware that kernels are shaped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A driver that runs shaders on the CPU: few threads with long loops, wide loads, no workgroup memory.
    Cpu,
    /// A GPU: many threads, tiles in workgroup memory, coalesced loads.
    Gpu,
}

/// How a matrix product is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Each thread alone, operands loaded from global memory (`shaders/lib/gemm_direct.wgsl`).
    Direct,
    /// Tiles in workgroup memory (`shaders/lib/gemm_tiled.wgsl`).
    Tiled,
}

impl Tuning {
    /// For drivers that run shaders on the CPU.
    pub const CPU: Self = Self {
        target: Target::Cpu,
        textures: true,
        product: Product::Direct,
        shared_rows: false,
        norm_rows: 1024,
        attention_rows: 128,
        // Up to 128 positions take one thread, which needs no carry.
        scan_threads: 512,
        scan_positions: 128,
        scan_vec4s: 8,
        mix_tiles: 4,
        tap_workgroups: 8,
        // These rows stay in a core's caches until the next four taps.
        tap_rows: 1024,
        // Small workgroups spread few threads over the cores.
        stream_threads: 16,
        bench_workgroups: 32,
        bench_plane: [2048, 1024],
    };

    /// For GPUs.
    pub const GPU: Self = Self {
        target: Target::Gpu,
        textures: false,
        product: Product::Tiled,
        shared_rows: true,
        norm_rows: 64,
        attention_rows: 512,
        // Enough threads to hide the latency of loads.
        scan_threads: 32_768,
        scan_positions: 16,
        scan_vec4s: 1,
        mix_tiles: 1,
        tap_workgroups: 256,
        tap_rows: u32::MAX,
        stream_threads: 64,
        bench_workgroups: 4096,
        bench_plane: [4096, 4096],
    };

    /// All tunings; kernels are compiled and tested for each.
    pub const ALL: [Self; 2] = [Self::CPU, Self::GPU];

    /// The tuning for a class of adapters. An unknown class (in a browser) counts as a GPU.
    pub fn of(class: AdapterClass) -> Self {
        match class {
            AdapterClass::Software => Self::CPU,
            AdapterClass::Discrete | AdapterClass::Integrated | AdapterClass::Unknown => Self::GPU,
        }
    }

    /// The tuning that the environment variable `AFT_TUNING` names, else the one for `class`.
    ///
    /// # Errors
    /// [`Error::Config`] if it names no tuning.
    pub fn wished(class: AdapterClass) -> Result<Self> {
        let Some(wish) = variable("AFT_TUNING") else { return Ok(Self::of(class)) };
        match Self::ALL.into_iter().find(|tuning| tuning.target.name() == wish) {
            Some(tuning) => Ok(tuning),
            None => Err(Error::Config(format!("AFT_TUNING is cpu or gpu, not \"{wish}\""))),
        }
    }

    /// Storage for planes of at most `side` rows and `side` vec4s a row, on a device with textures of at most
    /// `texture_side` texels a side.
    pub fn placement(&self, side: u32, texture_side: u32) -> Placement {
        if self.textures && side <= texture_side { Placement::Texture } else { Placement::Buffer }
    }
}

impl Tuning {
    /// Whether kernels are shaped as by `other`, wherever planes live and whatever the benchmark measures.
    pub(crate) fn shapes_kernels_as(&self, other: &Self) -> bool {
        let Self { textures, bench_workgroups, bench_plane, .. } = *self;
        Self { textures, bench_workgroups, bench_plane, ..*other } == *self
    }
}

impl Target {
    /// `cpu` or `gpu`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// Flops and bytes per millisecond assumed of an adapter: pessimistic, only for cutting submissions.
pub(super) fn trusted_rates(class: AdapterClass) -> [f64; 2] {
    let [gflops, gbytes] = match class {
        AdapterClass::Discrete => [500.0, 50.0],
        AdapterClass::Integrated => [80.0, 10.0],
        AdapterClass::Unknown => [40.0, 5.0],
        AdapterClass::Software => [10.0, 2.0],
    };
    [1e6 * gflops, 1e6 * gbytes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_without_a_class_counts_as_a_gpu() {
        let classes = [AdapterClass::Discrete, AdapterClass::Integrated, AdapterClass::Unknown, AdapterClass::Software];
        let targets = classes.map(|class| Tuning::of(class).target);
        assert_eq!(targets, [Target::Gpu, Target::Gpu, Target::Gpu, Target::Cpu]);
    }

    #[test]
    fn planes_live_in_textures_where_these_are_faster_and_large_enough() {
        let placements = Tuning::ALL.map(|tuning| [8192, 8193].map(|side| tuning.placement(side, 8192)));
        assert_eq!(placements, [[Placement::Texture, Placement::Buffer], [Placement::Buffer; 2]]);
    }

    #[test]
    fn sizes_are_what_kernels_serve() {
        for tuning in Tuning::ALL {
            assert!(tuning.attention_rows.is_power_of_two() && tuning.norm_rows.is_multiple_of(64), "{tuning:?}");
            assert!([1, 8].contains(&tuning.scan_vec4s) && [1, 4].contains(&tuning.mix_tiles), "{tuning:?}");
            assert!([16, 64].contains(&tuning.stream_threads) && tuning.scan_positions.is_multiple_of(4), "{tuning:?}");
        }
    }

    #[test]
    fn a_tuning_is_read_back_as_it_was_written() {
        for tuning in Tuning::ALL {
            let text = serde_json::to_string(&tuning).unwrap_or_default();
            assert_eq!(serde_json::from_str::<Tuning>(&text).ok(), Some(tuning), "{text}");
        }
    }

    #[test]
    fn a_faster_class_is_trusted_with_more() {
        let [software, unknown, integrated, discrete] =
            [AdapterClass::Software, AdapterClass::Unknown, AdapterClass::Integrated, AdapterClass::Discrete]
                .map(trusted_rates);
        assert!(software < unknown && unknown < integrated && integrated < discrete);
    }
}
