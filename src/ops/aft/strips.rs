//! How time is cut into strips that run in parallel (`shaders/lib/aft_strip.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Kernel, Placement, Specialization, Tuning};
use crate::ops::Builder;

/// The longest sequence.
const MAX_TIME: u32 = 131_072;
/// A sum of more terms in one level would lose digits.
const MAX_STRIP_ROWS: u32 = 256;
/// What the scan, two levels of sums, walks at most.
const MAX_STRIPS: u32 = 512;

/// Workgroups that threads of the most columns have to leave, for the cores of a processor.
const MIN_GROUPS: u64 = 8;

/// A cut of time into `count` strips of `rows` rows, a multiple of 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strips {
    pub(crate) rows: u32,
    pub(crate) count: u32,
}

impl Strips {
    /// A cut that gives each of `chains` = B D/4 independent scans enough strips to make `threads` of them, none shorter than
    /// `shortest` rows.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a sequence that no cut serves.
    pub(crate) fn plan(threads: u32, shortest: u32, chains: u64, time: u32) -> Result<Self> {
        if time > MAX_TIME {
            return Err(Error::LimitExceeded {
                what: format!("AFT over {time} positions"),
                limit: "positions of a sequence",
                needed: time.into(),
                granted: MAX_TIME.into(),
                advice: "a shorter sequence".into(),
            });
        }
        let needed = time.div_ceil(MAX_STRIPS).next_multiple_of(4).max(4);
        let wanted = u64::from(time) * chains.max(1) / u64::from(threads);
        let wanted = wanted.clamp(shortest.into(), MAX_STRIP_ROWS.into()) as u32;
        let rows = wanted.next_multiple_of(4).max(needed);
        Ok(Self { rows, count: time.div_ceil(rows).max(1) })
    }

    /// The plan for `b`'s adapter.
    pub(crate) fn of(b: &Builder, batch: u32, time: u32, width: u32) -> Result<Self> {
        let Tuning { scan_threads, scan_positions, .. } = *b.tuning();
        Self::plan(scan_threads, scan_positions, u64::from(batch) * u64::from(width), time)
    }

    /// Workgroups of a kernel with threads for each strip, and its variant.
    pub(crate) fn grid(&self, b: &Builder, batch: u32, width: u32) -> (Specialization, u64) {
        let strips = u64::from(batch) * u64::from(self.count);
        let threads = Threads::of(b.tuning(), width, strips);
        let all = strips * u64::from(threads.of_row(width));
        (threads.variant(b.placement), all.div_ceil(threads.group.into()))
    }
}

/// The threads of a kernel over strips (`shaders/lib/aft_strip.wgsl`).
#[derive(Debug, Clone, Copy)]
struct Threads {
    /// In a workgroup: small ones spread few threads over a processor's cores.
    group: u32,
    /// vec4s of channels that each owns.
    columns: u32,
    /// How many vec4s these are apart.
    piece: u32,
}

impl Threads {
    const GPU: Self = Self { group: 64, columns: 1, piece: 1 };
    /// Of a processor, for narrow rows.
    const NARROW: Self = Self { group: 16, columns: 1, piece: 1 };
    /// Of a processor: a piece for each of 8 lanes.
    const WIDE: Self = Self { group: 8, columns: 4, piece: 8 };
    /// Of a processor, for wide rows of many strips.
    const WIDEST: Self = Self { group: 8, columns: 8, piece: 8 };
    const ALL: [Self; 4] = [Self::WIDEST, Self::WIDE, Self::NARROW, Self::GPU];

    /// For `strips` of all sequences: the most columns of which the fewest would not be there, no more than a quarter, and
    /// which leave [`MIN_GROUPS`].
    fn of(tuning: &Tuning, width: u32, strips: u64) -> Self {
        if tuning.scan_vec4s == 1 {
            return Self::GPU;
        }
        let columns = |threads: Self| threads.of_row(width) * threads.columns;
        let groups = strips * u64::from(Self::WIDEST.of_row(width) / Self::WIDEST.group);
        if columns(Self::WIDE) - width > columns(Self::WIDE) / 4 {
            Self::NARROW
        } else if columns(Self::WIDEST) > columns(Self::WIDE) || groups < MIN_GROUPS {
            Self::WIDE
        } else {
            Self::WIDEST
        }
    }

    /// For all columns of a row.
    fn of_row(self, width: u32) -> u32 {
        width.div_ceil(self.columns * self.piece) * self.piece
    }

    fn variant(self, placement: Placement) -> Specialization {
        let Self { group, columns, piece } = self;
        Specialization::new(placement).with("STRIP_GROUP", group).with("COLUMNS", columns).with("PIECE", piece)
    }
}

/// The variants of a kernel with threads for each strip.
pub(crate) fn variants(kernel: &'static Kernel, placement: Placement) -> [(&'static Kernel, Specialization); 4] {
    Threads::ALL.map(|threads| (kernel, threads.variant(placement)))
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
                let plan = Strips::plan(threads, shortest, chains, time).unwrap();
                assert!(
                    plan.rows.is_multiple_of(4) && plan.rows <= MAX_STRIP_ROWS && plan.count <= MAX_STRIPS,
                    "{plan:?}"
                );
                assert!(plan.rows * plan.count >= time && plan.rows * (plan.count - 1) < time, "{plan:?}");
            }
        }
    }

    /// The columns of the threads of a row, as in `shaders/lib/aft_strip.wgsl`.
    fn owned(threads: Threads, width: u32) -> Vec<u32> {
        let Threads { columns, piece, .. } = threads;
        let first = |i| i / piece * piece * columns + i % piece;
        let mut all: Vec<_> = (0..threads.of_row(width))
            .flat_map(|i| (0..columns).map(move |j| first(i) + j * piece))
            .filter(|column| *column < width)
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_column_is_owned_once() {
        for width in 1..=1024 {
            for threads in Threads::ALL {
                assert_eq!(owned(threads, width), (0..width).collect::<Vec<_>>(), "{threads:?}");
            }
        }
        let widths = [23, 24, 32, 33, 47, 48, 64, 65, 71, 72, 95, 96, 97, 119, 120, 128, 160];
        let columns = |strips| widths.map(|width| Threads::of(&Tuning::CPU, width, strips).columns);
        assert_eq!(columns(8), [1, 4, 4, 1, 1, 8, 8, 1, 1, 4, 4, 4, 8, 8, 8, 8, 4]);
        assert_eq!(columns(1), [1, 4, 4, 1, 1, 4, 4, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4]);
    }

    #[test]
    fn what_no_cut_serves_is_refused_with_numbers() {
        let refused = Strips::plan(512, 16, 64, 131_073);
        assert!(matches!(refused, Err(Error::LimitExceeded { needed: 131_073, granted: 131_072, .. })), "{refused:?}");
    }
}
