//! The ceilings of an adapter's roofline: what it reaches in plain kernels (`shaders/bench/*.wgsl`). AFT's kernels are compared
//! with them.

use crate::error::Result;
use crate::gpu::{
    AdapterClass, Array, Call, Cost, Gpu, Kernel, Placement, Plane, Program, Specialization, Table, kernel,
};
use crate::ops::Builder;

kernel! {
    /// Multiply-adds on registers, in f32 or f16.
    struct FmaKernel = "bench/fma", "multiply_add";
    fragments: ["grid", "run_time"],
    params: { threads: u32, rounds: u32, factor: f32, term: f32 },
    operands: { write out: Array<'a, [f32; 4]> = "[threads]" },
}

kernel! {
    /// Exponentials on registers.
    struct ExpKernel = "bench/exp", "exponentials";
    fragments: ["grid", "run_time"],
    params: { threads: u32, rounds: u32, term: f32 },
    operands: { write out: Array<'a, [f32; 4]> = "[threads]" },
}

kernel! {
    /// A copy of a plane.
    struct CopyKernel = "bench/copy", "copy";
    fragments: ["grid", "run_time"],
    params: { rows: u32, width: u32 },
    operands: { read x: &'a Plane = "[rows, cols]", write y: &'a Plane = "[rows, cols]" },
}

kernel! {
    /// Reads three planes and writes one.
    struct ReadsKernel = "bench/reads", "three_reads";
    fragments: ["grid", "run_time"],
    params: { rows: u32, width: u32, stacked: u32 },
    operands: {
        read a: &'a Plane = "[rows, cols]",
        read b: &'a Plane = "[rows, cols]",
        read c: &'a Plane = "[rows, cols]",
        write y: &'a Plane = "[rows, cols]",
    },
}

kernel! {
    /// Reads of a uniform.
    struct TableKernel = "bench/table", "sum_table";
    fragments: ["grid", "run_time"],
    params: { threads: u32, rounds: u32 },
    operands: {
        read entries: Table<'a, ENTRIES> = "[1024]",
        write out: Array<'a, [f32; 4]> = "[threads]",
    },
}

kernel! {
    /// A dispatch that does nothing.
    struct IdleKernel = "bench/idle", "idle";
    fragments: [],
    params: { value: u32 },
    operands: { write out: Array<'a, u32> = "[64]" },
}

/// vec4s in the uniform table: 16 KiB, the smallest limit that WebGPU allows.
const ENTRIES: u32 = 1024;

/// A ceiling, with a plain kernel that reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceiling {
    /// Multiply-adds in f32.
    Fma,
    /// Multiply-adds in f16, where the device grants it.
    FmaHalf,
    /// Exponentials in f32.
    Exp,
    /// A copy between planes.
    Copy(Placement),
    /// Reads three planes and writes one.
    Reads(Placement),
    /// Reads of a uniform.
    Uniform,
    /// A dispatch that does nothing, among many.
    Dispatch,
    /// A submission with one empty dispatch, including the wait.
    Submit,
}

impl Ceiling {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Fma,
        Self::FmaHalf,
        Self::Exp,
        Self::Copy(Placement::Buffer),
        Self::Copy(Placement::Texture),
        Self::Reads(Placement::Buffer),
        Self::Reads(Placement::Texture),
        Self::Uniform,
        Self::Dispatch,
        Self::Submit,
    ];

    /// The name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fma => "fma",
            Self::FmaHalf => "fma f16",
            Self::Exp => "exp",
            Self::Copy(Placement::Buffer) => "copy storage",
            Self::Copy(Placement::Texture) => "copy texture",
            Self::Reads(Placement::Buffer) => "3r1w storage",
            Self::Reads(Placement::Texture) => "3r1w texture",
            Self::Uniform => "read uniform",
            Self::Dispatch => "dispatch",
            Self::Submit => "submit",
        }
    }

    /// The unit of its value: a rate in billions per second, or microseconds.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Fma | Self::FmaHalf => "GFLOP/s",
            Self::Exp => "Gexp/s",
            Self::Copy(_) | Self::Reads(_) | Self::Uniform => "GB/s",
            Self::Dispatch | Self::Submit => "us",
        }
    }

    /// Whether the ceiling is a memory bandwidth.
    pub(super) fn is_bandwidth(self) -> bool {
        matches!(self, Self::Copy(_) | Self::Reads(_))
    }

    /// Whether its value is a time, not a rate.
    pub(super) fn is_latency(self) -> bool {
        matches!(self, Self::Dispatch | Self::Submit)
    }
}

/// A ceiling's kernel, ready to run.
pub(super) struct CeilingKernel {
    /// The ceiling.
    pub(super) ceiling: Ceiling,
    /// The program of one run.
    pub(super) program: Program,
    /// Work of one run, in the unit of the ceiling's rate times 1e-9 seconds; 1 for a latency.
    pub(super) work: f64,
    /// Kept alive for the program.
    _planes: Vec<Plane>,
}

impl CeilingKernel {
    /// Prepares a ceiling's kernel with about a millisecond of work, enough to fill the adapter.
    ///
    /// # Errors
    /// [`crate::Error::LimitExceeded`] if the device's limits are too small for its planes.
    pub(super) fn new(gpu: &Gpu, ceiling: Ceiling) -> Result<Self> {
        Self::beside(gpu, ceiling, f64::INFINITY)
    }

    /// The same, but a bandwidth kernel moves at most about `bytes`: a case whose operands fit in a cache is compared with a
    /// kernel whose planes do, too.
    ///
    /// # Errors
    /// As [`CeilingKernel::new`].
    pub(super) fn beside(gpu: &Gpu, ceiling: Ceiling, bytes: f64) -> Result<Self> {
        let placement = match ceiling {
            Ceiling::Copy(placement) | Ceiling::Reads(placement) => placement,
            _ => Placement::Buffer,
        };
        let b = &mut Builder::new(gpu, placement);
        let (work, planes) = match ceiling {
            Ceiling::Fma | Ceiling::FmaHalf | Ceiling::Exp => (arithmetic(b, ceiling)?, Vec::new()),
            Ceiling::Copy(_) | Ceiling::Reads(_) => bandwidth(b, ceiling, bytes)?,
            Ceiling::Uniform => (reads_of_uniform(b)?, Vec::new()),
            Ceiling::Dispatch | Ceiling::Submit => {
                let out = gpu.storage("idle", 256)?;
                let call = IdleKernel { value: 1, out: (&out).into() };
                b.run(&call, &b.special(), 1, Cost::default())?;
                (1.0, Vec::new())
            }
        };
        Ok(Self { ceiling, program: b.take_program(), work, _planes: planes })
    }
}

/// Loop iterations of a thread, so that a run lasts about a millisecond. Fewer on an adapter of unknown class, which may be a
/// CPU.
fn loop_iterations(b: &Builder) -> u32 {
    if b.gpu.caps().adapter.class == AdapterClass::Unknown { 64 } else { 512 }
}

/// Adds a kernel on registers; returns the operations of a run.
fn arithmetic(b: &mut Builder, ceiling: Ceiling) -> Result<f64> {
    let groups = b.tuning().bench_workgroups;
    let (threads, rounds) = (64 * groups, loop_iterations(b));
    let out = b.gpu.storage("sums", 16 * u64::from(threads))?;
    let runs = f64::from(threads) * f64::from(rounds);
    let (out, groups, bytes) = ((&out).into(), u64::from(groups), 16.0 * f64::from(threads));
    if ceiling == Ceiling::Exp {
        let work = 32.0 * runs;
        // An exponential costs about ten operations.
        let cost = Cost { flops: 10.0 * work, bytes };
        b.run(&ExpKernel { threads, rounds, term: 0.5, out }, &b.special(), groups, cost)?;
        return Ok(work);
    }
    let work = 256.0 * runs;
    // A contraction with fixed point 1, so that values stay bounded.
    let call = FmaKernel { threads, rounds, factor: 0.999, term: 0.001, out };
    let special = Specialization { half: ceiling == Ceiling::FmaHalf, ..b.special() };
    b.run(&call, &special, groups, Cost { flops: work, bytes })?;
    Ok(work)
}

/// Adds a kernel that reads a uniform; returns the bytes of a run.
fn reads_of_uniform(b: &mut Builder) -> Result<f64> {
    let groups = b.tuning().bench_workgroups;
    let (threads, rounds) = (64 * groups, loop_iterations(b));
    let out = b.gpu.storage("sums", 16 * u64::from(threads))?;
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let table = b.gpu.buffer("table", 16 * u64::from(ENTRIES), usage)?;
    let bytes = 64.0 * f64::from(threads) * f64::from(rounds);
    let cost = Cost { flops: bytes / 4.0, bytes: 16.0 * f64::from(threads) };
    let call = TableKernel { threads, rounds, entries: Table(&table), out: (&out).into() };
    b.run(&call, &b.special(), groups.into(), cost)?;
    Ok(bytes)
}

/// Adds a kernel on planes of 8 MiB on CPUs or 64 MiB on GPUs, or of `most` bytes in total; returns the bytes of a run.
fn bandwidth(b: &mut Builder, ceiling: Ceiling, most: f64) -> Result<(f64, Vec<Plane>)> {
    let [full, cols] = b.tuning().bench_plane;
    let count = if matches!(ceiling, Ceiling::Copy(_)) { 2 } else { 4 };
    // A workgroup moves at most four rows.
    let rows = (most / f64::from(4 * count * cols)).clamp(8.0, f64::from(full)) as u32 / 4 * 4;
    let mut planes = Vec::new();
    for i in 0..count {
        let plane = b.plane("bandwidth", rows, cols)?;
        plane.fill(&b.gpu, i as f32)?;
        planes.push(plane);
    }
    let width = cols / 4;
    let bytes = 4.0 * f64::from(count) * f64::from(rows) * f64::from(cols);
    let cost = Cost { flops: 0.0, bytes };
    let groups = u64::from(rows / 4) * u64::from(width / 64);
    let special = b.special();
    match planes.as_slice() {
        [x, y] => b.run(&CopyKernel { rows, width, x, y }, &special, groups, cost)?,
        [x0, x1, x2, y] => {
            // Textures are read in blocks. Buffers are read along rows, 1.5 times as fast as in blocks on lavapipe (SwiftShader:
            // 0.75).
            let stacked = u32::from(b.placement == Placement::Texture);
            b.run(&ReadsKernel { rows, width, stacked, a: x0, b: x1, c: x2, y }, &special, groups, cost)?;
        }
        _ => {}
    }
    Ok((bytes, planes))
}

/// The kernels of this file, for the tests that compile all kernels.
pub(crate) fn catalogue() -> Vec<(&'static Kernel, Specialization)> {
    let in_both = [CopyKernel::KERNEL, ReadsKernel::KERNEL].into_iter().flat_map(|kernel| {
        [Placement::Buffer, Placement::Texture].map(|placement| (kernel, Specialization::new(placement)))
    });
    let alone = [FmaKernel::KERNEL, ExpKernel::KERNEL, TableKernel::KERNEL, IdleKernel::KERNEL]
        .map(|kernel| (kernel, Specialization::new(Placement::Buffer)));
    in_both.chain(alone).collect()
}

/// The kernel in half precision, which not every device supports.
pub(crate) fn half_precision() -> (&'static Kernel, Specialization) {
    (FmaKernel::KERNEL, Specialization { half: true, ..Specialization::new(Placement::Buffer) })
}
