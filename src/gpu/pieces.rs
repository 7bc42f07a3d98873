//! Cutting of long dispatches into runs of workgroups, so that each fits a submission. This changes neither the results
//! nor the order of sums.

use super::cost::BUDGET_MS;
use crate::error::{Error, Result};

/// Workgroups per dimension that every device grants.
const SIDE: u64 = 65_535;

/// Workgroups `first .. first + count` of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// First workgroup; the shader adds it to its workgroup number (`shaders/lib/grid.wgsl`).
    pub(super) first: u32,
    pub(super) count: u64,
}

/// The pieces of a dispatch of `groups` workgroups that takes an estimated `ms` milliseconds.
///
/// # Errors
/// [`Error::LimitExceeded`] for 2^32 workgroups or more.
pub(super) fn pieces(groups: u64, ms: f64) -> Result<Vec<Piece>> {
    let groups = groups.max(1);
    if groups > u64::from(u32::MAX) {
        return Err(too_many(groups));
    }
    // A cast of NaN is 0.
    let wanted = ((ms / BUDGET_MS).ceil() as u64).clamp(1, groups);
    // A folded piece runs surplus workgroups, which would repeat the next piece's work. So only a single piece is
    // folded: its surplus is past the end, where the shader does nothing.
    let each = if wanted == 1 { groups } else { groups.div_ceil(wanted).min(SIDE) };
    let starts = (0..groups).step_by(each as usize);
    Ok(starts.map(|first| Piece { first: first as u32, count: each.min(groups - first) }).collect())
}

/// Folds a number of workgroups into two dimensions, near-square above the portable limit of 65,535. The shader
/// computes its number as `x + y * num_workgroups.x` and checks it.
pub(super) fn fold(groups: u64) -> Result<[u32; 2]> {
    if groups <= SIDE {
        return Ok([groups.max(1) as u32, 1]);
    }
    let rows = groups.isqrt();
    let columns = groups.div_ceil(rows);
    if columns > SIDE { Err(too_many(groups)) } else { Ok([columns as u32, rows as u32]) }
}

fn too_many(groups: u64) -> Error {
    Error::LimitExceeded {
        what: "a dispatch (workgroups)".into(),
        limit: "max_compute_workgroups_per_dimension squared",
        needed: groups,
        granted: SIDE * SIDE,
        advice: "a smaller batch or length".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn folding_covers_every_group_within_the_limit() {
        for groups in [0, 1, 65_534, 65_535, 65_536, 65_537, 131_072, 1 << 31] {
            let [x, y] = fold(groups).unwrap();
            assert!(u64::from(x) * u64::from(y) >= groups && x.max(y) <= 65_535, "{groups} -> {x} x {y}");
            assert!(groups <= 65_535 || u64::from(x) * u64::from(y) < groups + u64::from(x), "{groups}: too many");
        }
        assert!(fold(1 << 33).is_err());
    }

    #[test]
    fn pieces_follow_on_each_other_and_keep_to_the_budget() {
        for (groups, ms) in [
            (1, 0.0),
            (7, BUDGET_MS),
            (7, 3.5 * BUDGET_MS),
            (7, 1e9),
            (1 << 31, 40.0 * BUDGET_MS),
            (262_144, 2.01 * BUDGET_MS),
        ] {
            let pieces = pieces(groups, ms).unwrap();
            let end = pieces.iter().fold(0, |end, piece| {
                assert_eq!(u64::from(piece.first), end, "{pieces:?}");
                end + piece.count
            });
            assert_eq!(end, groups);
            let folded = pieces.iter().map(|piece| fold(piece.count).unwrap());
            let overlaps = pieces.iter().zip(folded).any(|(piece, [x, y])| u64::from(x) * u64::from(y) > piece.count);
            assert!(pieces.len() == 1 || !overlaps, "a piece runs into the next: {pieces:?}");
            let longest = pieces.iter().map(|piece| piece.count).max().unwrap();
            assert!(longest == 1 || ms * longest as f64 / groups as f64 <= BUDGET_MS * 1.001, "{ms}: {pieces:?}");
            assert!(ms > BUDGET_MS || pieces.len() == 1);
        }
        assert!(pieces(1 << 32, 0.0).is_err() && pieces(3, f64::NAN).unwrap().len() == 1);
    }
}
