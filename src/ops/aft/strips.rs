//! How time is cut into strips that run in parallel, and the kernels that carry sums from strip to strip
//! (`shaders/aft/simple_{reduce,scan}.wgsl`), in either direction of time.

use crate::error::{Error, Result};
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;
use crate::ops::trips::MAX_TRIPS;

params! {
    /// As in `shaders/aft/simple_reduce.wgsl`.
    ReduceParams {
        batch: u32, time: u32, width: u32, strip_rows: u32, strips: u32, window: u32, qkv_stride: u32, total_stride: u32,
    }
}

params! {
    /// As in `shaders/aft/simple_scan.wgsl`.
    ScanParams { batch: u32, width: u32, strips: u32, backward: u32, total_stride: u32, carry_stride: u32 }
}

static REDUCE: Kernel = Kernel {
    stem: "aft/simple_reduce",
    entry: "reduce",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/lib/aft_strip.wgsl"),
        include_str!("../../../shaders/lib/aft_qkv.wgsl"),
        include_str!("../../../shaders/lib/aft_total.wgsl"),
        include_str!("../../../shaders/aft/simple_reduce.wgsl"),
    ],
    params: ReduceParams::FIELDS,
    operands: &[Operand::plane("qkv", "[B T, 3 D]"), Operand::plane_out("total", "[3 B strips, D]")],
};

static SCAN: Kernel = Kernel {
    stem: "aft/simple_scan",
    entry: "scan",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/aft_state.wgsl"),
        include_str!("../../../shaders/aft/simple_scan.wgsl"),
    ],
    params: ScanParams::FIELDS,
    operands: &[Operand::plane("total", "[3 B strips, D]"), Operand::plane_out("carry", "[3 B strips, D]")],
};

/// The longest sequence.
const MAX_TIME: u32 = 131_072;
/// A sum of more terms in one level would lose digits.
const MAX_STRIP_ROWS: u32 = 256;
/// What the scan, two levels of sums, walks at most; the second where a long window wants short strips.
const STRIPS: [u32; 2] = [512, 4096];

/// A cut of time into `count` strips of `rows` rows, a multiple of 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strips {
    pub(crate) rows: u32,
    pub(crate) count: u32,
}

impl Strips {
    /// A cut that gives each of `chains` = B D/4 independent scans enough strips to make `threads` threads, none shorter than
    /// `shortest` rows and none with too many loop iterations.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a sequence, or a window of a long sequence, that no cut serves.
    pub(crate) fn plan(threads: u32, shortest: u32, chains: u64, time: u32, window: u32) -> Result<Self> {
        let refuse = |limit, needed: u64, granted: u64| {
            let what = format!("AFT over {time} positions with a window of {window}");
            let advice = "a shorter sequence or window, or a smaller batch".into();
            Err(Error::LimitExceeded { what, limit, needed, granted, advice })
        };
        if time > MAX_TIME {
            return refuse("positions of a sequence", time.into(), MAX_TIME.into());
        }
        let [needed, shrunk] = STRIPS.map(|most| time.div_ceil(most).next_multiple_of(4).max(4));
        let wanted = u64::from(time) * chains.max(1) / u64::from(threads);
        let wanted = wanted.clamp(shortest.into(), MAX_STRIP_ROWS.into()) as u32;
        let mut rows = wanted.next_multiple_of(4).max(needed);
        while trips(rows, window) > MAX_TRIPS && rows > shrunk {
            rows = (rows / 2).next_multiple_of(4).max(shrunk);
        }
        if trips(rows, window) > MAX_TRIPS {
            return refuse("loop iterations of a thread", trips(rows, window), MAX_TRIPS);
        }
        Ok(Self { rows, count: time.div_ceil(rows).max(1) })
    }

    /// The plan for `b`'s adapter: few long threads for a processor, in one strip up to 128 rows, which then needs no carry;
    /// enough threads to hide latency for a GPU.
    pub(crate) fn of(b: &Builder, batch: u32, time: u32, width: u32, window: u32) -> Result<Self> {
        let (threads, shortest) = b.planned([(512, 128), (32_768, 8)]);
        Self::plan(threads, shortest, u64::from(batch) * u64::from(width), time, window)
    }

    /// Workgroups of a kernel with a thread for each strip and vec4 of channels, and its variant.
    pub(crate) fn grid(&self, b: &Builder, batch: u32, width: u32) -> (Variant, u64) {
        let group = b.planned(GROUPS);
        let threads = u64::from(batch) * u64::from(self.count) * u64::from(width);
        (variant(b.placement, group), threads.div_ceil(group.into()))
    }
}

/// Threads of a workgroup, in the plans for processors and for GPUs: small ones spread few threads over the cores.
const GROUPS: [u32; 2] = [16, 64];

fn variant(placement: Placement, group: u32) -> Variant {
    Variant { placement, constants: vec![("STRIP_GROUP", group)] }
}

/// The variants of a kernel with a thread for each strip and vec4 of channels.
pub(crate) fn variants(kernel: &'static Kernel, placement: Placement) -> [(&'static Kernel, Variant); 2] {
    GROUPS.map(|group| (kernel, variant(placement, group)))
}

/// Loop iterations of a thread that walks a strip of `rows` rows in tiles of four, with all loops over rows and keys of a
/// tile counted as if they were not unrolled.
fn trips(rows: u32, window: u32) -> u64 {
    let blocks = u64::from(window.div_ceil(4)) + 1;
    u64::from(rows / 4) * (12 + 25 * blocks + 5 * blocks.div_ceil(64))
}

/// A plane of states, three rows each, for `strips` strips of every sequence. Its columns are whole vec4s: an empty state is
/// not zero in any channel.
pub(crate) fn states(b: &mut Builder, label: &str, batch: u32, strips: u32, width: u32) -> Result<Plane> {
    b.plane(label, 3 * batch * strips, 4 * width)
}

/// Adds the carries of the forward pass: for each strip the state of the keys that its first row's prefix begins with. None if
/// there is one strip.
pub(crate) fn carries(
    b: &mut Builder,
    qkv: &Plane,
    batch: u32,
    time: u32,
    window: u32,
    strips: Strips,
) -> Result<Option<Plane>> {
    if strips.count == 1 {
        return Ok(None);
    }
    let width = qkv.stride() / 3;
    let total = states(b, "strip totals", batch, strips.count, width)?;
    let params = ReduceParams {
        batch,
        time,
        width,
        strip_rows: strips.rows,
        strips: strips.count,
        window,
        qkv_stride: qkv.stride(),
        total_stride: total.stride(),
    };
    let binds = [Bind::Plane(qkv), Bind::Plane(&total)];
    let elements = 4.0 * f64::from(qkv.rows) * f64::from(width);
    let cost = Cost { flops: 10.0 * elements, bytes: 8.0 * elements };
    let (variant, groups) = strips.grid(b, batch, width);
    let dispatch = b.gpu.dispatch(&REDUCE, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    scan(b, total, batch, strips.count, false).map(Some)
}

/// Adds the scan that turns the totals of `strips` strips a sequence into carries; in reverse order if `backward`.
pub(crate) fn scan(b: &mut Builder, total: Plane, batch: u32, strips: u32, backward: bool) -> Result<Plane> {
    let width = total.stride();
    let carry = states(b, "strip carries", batch, strips, width)?;
    let params = ScanParams {
        batch,
        width,
        strips,
        backward: u32::from(backward),
        total_stride: width,
        carry_stride: carry.stride(),
    };
    let values = 12.0 * f64::from(batch) * f64::from(strips) * f64::from(width);
    let cost = Cost { flops: 10.0 * values, bytes: 8.0 * values };
    let groups = (u64::from(batch) * u64::from(width)).div_ceil(64);
    let binds = [Bind::Plane(&total), Bind::Plane(&carry)];
    let dispatch = b.gpu.dispatch(&SCAN, &Variant::plain(b.placement), &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    b.recycle(total);
    Ok(carry)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let [few, many] = variants(&REDUCE, placement);
    vec![few, many, (&SCAN, Variant::plain(placement))]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn a_plan_covers_time_within_every_bound() {
        for (threads, shortest) in [(512, 16), (32_768, 8)] {
            for (chains, time) in
                [(1, 1), (1, 131_072), (1, 16_000), (64, 128), (64, 129), (4096, 1024), (1 << 19, 70_000)]
            {
                for window in [0, 1, 16, 512] {
                    let plan = Strips::plan(threads, shortest, chains, time, window).unwrap();
                    assert!(
                        plan.rows.is_multiple_of(4) && plan.rows <= MAX_STRIP_ROWS && plan.count <= STRIPS[1],
                        "{plan:?}"
                    );
                    assert!(plan.rows * plan.count >= time && plan.rows * (plan.count - 1) < time, "{plan:?}");
                    assert!(trips(plan.rows, window) <= MAX_TRIPS);
                }
            }
        }
    }

    #[test]
    fn long_windows_take_shorter_strips() {
        let plan = |window| Strips::plan(512, 16, 64, 1000, window).unwrap().rows;
        assert!(plan(1000) < plan(16));
        assert!(Strips::plan(512, 16, 1, 16_000, 5000).is_ok());
    }

    #[test]
    fn what_no_cut_serves_is_refused_with_numbers() {
        let cases = [(131_073, 0, 131_073), (131_072, 4096, trips(32, 4096))];
        for (time, window, needed) in cases {
            match Strips::plan(512, 16, 64, time, window) {
                Err(Error::LimitExceeded { needed: got, .. }) => assert_eq!(got, needed),
                other => assert!(other.is_err(), "{other:?}"),
            }
        }
    }
}
