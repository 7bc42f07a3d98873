//! Rounds in which a case and its limit take turns: clocks, neighbours and temperatures change, ratios within a round hardly.

use super::clock::Stopwatch;
use super::limits::Plain;
use crate::error::Result;
use crate::gpu::Program;

/// Rounds at least: the least number of which the median is not moved by three that went wrong.
pub(super) const ROUNDS: usize = 7;
/// Runs in a measurement at most: those of a kernel that does next to nothing last for fifty steps of a coarse clock.
const MOST: u32 = 100_000;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paired {
    /// Seconds of one run of the case in each round.
    pub(super) seconds: Vec<f64>,
    /// Seconds of one run of the limit's kernel in each round; empty without a limit.
    pub(super) limit_seconds: Vec<f64>,
    /// Runs of the case in a round.
    pub(super) repeats: u32,
}

/// Times a program in turns with a limit's kernel, for about `allowance_s` seconds in all. None if it was told to stop.
///
/// # Errors
/// As [`Stopwatch::time`].
pub(super) async fn pair(
    watch: &mut Stopwatch,
    program: &Program,
    limit: Option<&Plain>,
    allowance_s: f64,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Paired>> {
    let share = allowance_s / ROUNDS as f64 / if limit.is_some() { 2.0 } else { 1.0 };
    // A limit's kernel is made to last some milliseconds.
    let turns: Vec<_> = [(program, share)].into_iter().chain(limit.map(|l| (&l.program, share.min(0.02)))).collect();
    // Runs that turned out to be too few for the clock, and the next number to try.
    let mut fewest = vec![1; turns.len()];
    'again: loop {
        let clock = watch.clock();
        let mut repeats = Vec::new();
        for (&(program, share), &fewest) in turns.iter().zip(&fewest) {
            repeats.push(repeats_within(watch, program, share, fewest).await?);
        }
        let mut seconds = vec![Vec::new(); turns.len()];
        for round in 0..ROUNDS {
            if stop() {
                return Ok(None);
            }
            // Neither is always the first.
            for turn in (0..turns.len()).map(|i| (round + i) % turns.len()) {
                let took = watch.time(turns[turn].0, repeats[turn]).await?;
                if took < watch.least_s() && repeats[turn] < MOST {
                    fewest[turn] = (2 * repeats[turn]).min(MOST);
                    continue 'again;
                } else if took < watch.least_s() {
                    watch.give_up(COARSE);
                }
                if watch.clock() != clock {
                    // Times of two clocks are not mixed.
                    continue 'again;
                }
                seconds[turn].push(took / f64::from(repeats[turn]));
            }
        }
        let mut seconds = seconds.into_iter();
        let [of_case, of_limit] = [seconds.next(), seconds.next()].map(Option::unwrap_or_default);
        return Ok(Some(Paired { seconds: of_case, limit_seconds: of_limit, repeats: repeats[0] }));
    }
}

const COARSE: &str = "timestamps are too coarse for what the kernels take";

/// How many runs make a measurement of about `share_s` seconds, and no less than the clock can tell, and than `fewest`.
pub(super) async fn repeats_within(watch: &mut Stopwatch, program: &Program, share_s: f64, fewest: u32) -> Result<u32> {
    // The first run compiles, and fills caches.
    watch.time(program, 1).await?;
    let mut runs = fewest;
    loop {
        let took = watch.time(program, runs).await?;
        match next(runs, took, watch.least_s(), share_s) {
            Plan::Try(more) => runs = more,
            Plan::Take(runs) => return Ok(runs.max(fewest)),
        }
    }
}

/// What follows from a first measurement.
#[derive(Debug, PartialEq)]
enum Plan {
    /// It was too short to tell: try so many runs.
    Try(u32),
    /// So many runs are a measurement.
    Take(u32),
}

/// What follows from `runs` runs that took `took_s` seconds, if a measurement lasts `least_s` or more and `share_s` if it can.
fn next(runs: u32, took_s: f64, least_s: f64, share_s: f64) -> Plan {
    let within = |runs: f64| runs.clamp(1.0, MOST.into()) as u32;
    if took_s >= least_s || runs >= MOST {
        let one = took_s / f64::from(runs);
        // Rounds differ: half as much again, where the clock's least decides.
        return Plan::Take(within((share_s / one).floor().max((1.5 * least_s / one).ceil())));
    }
    // What took nothing says little about how much would be enough.
    let factor = if took_s > 0.0 { (1.2 * least_s / took_s).clamp(2.0, 16.0) } else { 16.0 };
    Plan::Try(within((f64::from(runs) * factor).ceil()))
}

impl Paired {
    /// The ratios of the rounds in per cent: what the case reaches of the limit, if a run of it does `work` and one of the
    /// limit's kernel `limit_work`.
    pub(super) fn percents(&self, work: f64, limit_work: f64) -> Vec<f64> {
        let rate = |work: f64, seconds: f64| work / seconds;
        let pairs = self.seconds.iter().zip(&self.limit_seconds);
        pairs.map(|(&case, &limit)| 100.0 * rate(work, case) / rate(limit_work, limit)).collect()
    }
}

/// The value below which a share `p` of `values` lies, between neighbours in proportion; NaN of none.
pub(super) fn quantile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = p * sorted.len().saturating_sub(1) as f64;
    let value = |i: f64| sorted.get(i as usize).copied().unwrap_or(f64::NAN);
    value(at.floor()) + (value(at.ceil()) - value(at.floor())) * at.fract()
}

/// The median.
pub(super) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!([0.0, 0.5, 0.9, 1.0].map(|p| quantile(&values, p)), [1.0, 3.0, 4.6, 5.0]);
        assert_eq!((median(&[1.0, 2.0]), median(&[7.0])), (1.5, 7.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn runs_are_repeated_until_the_clock_can_tell() {
        // A clock of steps of 65 us: 50 of them.
        let least = 50.0 * 65e-6;
        assert_eq!(next(1, 0.0, least, 0.01), Plan::Try(16));
        assert_eq!(next(16, 650e-6, least, 0.01), Plan::Try(96));
        assert_eq!(next(96, 0.0096, least, 0.01), Plan::Take(100));
        // No share makes a measurement shorter than the clock allows, and a long case is run once.
        assert_eq!(next(96, 0.0096, least, 0.001), Plan::Take(49));
        assert_eq!(next(1, 2.0, least, 0.01), Plan::Take(1));
        // What takes no time at all comes to an end, too.
        assert_eq!(next(MOST, 0.0, least, 0.01), Plan::Take(MOST));
    }

    #[test]
    fn ratios_are_of_pairs() {
        // The machine slows down to a half in the second round: the ratio stays.
        let paired = Paired { seconds: vec![2.0, 4.0], limit_seconds: vec![0.5, 1.0], repeats: 1 };
        assert_eq!(paired.percents(10.0, 5.0), [50.0, 50.0]);
    }
}
