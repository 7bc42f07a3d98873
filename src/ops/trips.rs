//! Loop iterations of a shader invocation: counted before a dispatch, because some drivers silently end a long one.

use crate::error::{Error, Result};

/// Lanes that share a row: on CPUs and on GPUs.
pub(crate) const LANES: [u32; 2] = [1, 32];

/// Most loop iterations of an invocation, over all its loops. After 65,535 visits to loop heads, lavapipe (Mesa) skips
/// the rest without an error. A loop of n iterations visits its head n + 1 times. Short loops add visits unless the
/// compiler unrolls them; the other half of the limit is for these.
pub(crate) const MAX_TRIPS: u64 = 32_000;

/// Fails with [`Error::LimitExceeded`] if an invocation of `what` would take more than [`MAX_TRIPS`] iterations.
pub(crate) fn check(what: &str, trips: u64) -> Result<()> {
    if trips <= MAX_TRIPS {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        what: what.to_owned(),
        limit: "loop iterations of a shader invocation",
        needed: trips,
        granted: MAX_TRIPS,
        advice: "a smaller batch, length or width".to_owned(),
    })
}

/// Number of lanes that share a sum or a row: the first of `choices`, or the second if `shared`, or the next that keeps
/// an invocation within [`MAX_TRIPS`]. `trips` gives the loop iterations for a number of lanes.
///
/// # Errors
/// [`Error::LimitExceeded`] if even the most lanes are too few.
pub(crate) fn lanes(shared: bool, what: &str, choices: &[u32], trips: impl Fn(u64) -> u64) -> Result<u32> {
    let planned = &choices[usize::from(shared)..];
    let serves = |lanes: &&u32| trips(u64::from(**lanes)) <= MAX_TRIPS;
    match planned.iter().find(serves) {
        Some(&lanes) => Ok(lanes),
        None => {
            let needed = planned.last().map_or(u64::MAX, |&most| trips(u64::from(most)));
            check(what, needed).map(|()| planned[0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_below_half_of_what_drivers_count() {
        assert!(check("a kernel", MAX_TRIPS).is_ok() && 2 * MAX_TRIPS < 65_535);
        let text = check("a kernel", MAX_TRIPS + 1).map_err(|e| e.to_string());
        let expected = "a kernel needs 32001, this device grants 32000 (loop iterations of a shader invocation). ";
        assert!(text.is_err_and(|text| text.starts_with(expected)));
    }

    #[test]
    fn lanes_grow_with_the_work_until_there_are_no_more() {
        let lanes = |shared, work: u64| lanes(shared, "a sum", &[1, 8, 64], |lanes| work.div_ceil(lanes)).ok();
        assert_eq!([MAX_TRIPS, MAX_TRIPS + 1].map(|work| lanes(false, work)), [Some(1), Some(8)]);
        assert_eq!([1, 8 * MAX_TRIPS, 8 * MAX_TRIPS + 1].map(|work| lanes(true, work)), [Some(8), Some(8), Some(64)]);
        assert_eq!([64 * MAX_TRIPS, 64 * MAX_TRIPS + 1].map(|work| lanes(false, work)), [Some(64), None]);
    }
}
