//! Rounds in which cases and their limits take turns: clocks, neighbours and temperatures change, ratios within a round hardly.

use super::clock::Stopwatch;
use super::limits::Plain;
use crate::error::Result;
use crate::gpu::Program;

/// Rounds at least: the least number of which the median is not moved by three that went wrong.
pub(super) const ROUNDS: usize = 7;
/// Rounds at most, where runs are short enough: what lasts less than a round moves fewer of them.
const MOST_ROUNDS: usize = 15;
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

/// A program that takes turns with others.
struct Turn<'a> {
    program: &'a Program,
    /// Seconds that its runs of a round last, if they can.
    share_s: f64,
    /// Runs that turned out to be too few for the clock, and the next number to try.
    fewest: u32,
    /// Runs of a round.
    repeats: u32,
    /// Seconds of one run in each round.
    seconds: Vec<f64>,
}

/// Times programs in turns, each next to its limit's kernel if it has one, for about `allowance_s` seconds each. None if told to
/// stop.
///
/// # Errors
/// As [`Stopwatch::time`].
pub(super) async fn in_turns(
    watch: &mut Stopwatch,
    programs: &[(&Program, Option<&Plain>)],
    allowance_s: f64,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<Paired>>> {
    let mut turns = Vec::new();
    for &(program, limit) in programs {
        let share_s = allowance_s / MOST_ROUNDS as f64 / if limit.is_some() { 2.0 } else { 1.0 };
        let turn = |program, share_s| Turn { program, share_s, fewest: 1, repeats: 1, seconds: Vec::new() };
        turns.push(turn(program, share_s));
        // A limit's kernel is made to last some milliseconds.
        turns.extend(limit.map(|limit| turn(&limit.program, share_s.min(0.02))));
    }
    while !rounds(watch, &mut turns, allowance_s * programs.len() as f64, stop).await? {
        if stop() {
            return Ok(None);
        }
    }
    let mut turns = turns.into_iter();
    let paired = programs.iter().map(|(_, limit)| {
        let case = turns.next()?;
        let limit_seconds = if limit.is_some() { turns.next()?.seconds } else { Vec::new() };
        Some(Paired { seconds: case.seconds, limit_seconds, repeats: case.repeats })
    });
    Ok(paired.collect())
}

/// Measures all rounds, for about `allowance_s` seconds together. Not done if told to stop, or if the clock turned out to be too
/// coarse for so many runs, or was given up: times of two clocks are not mixed.
async fn rounds(
    watch: &mut Stopwatch,
    turns: &mut [Turn<'_>],
    allowance_s: f64,
    stop: &dyn Fn() -> bool,
) -> Result<bool> {
    let clock = watch.clock();
    let mut round_s = 0.0;
    for turn in turns.iter_mut() {
        if stop() {
            return Ok(false);
        }
        let one_s;
        (turn.repeats, one_s) = repeats_within(watch, turn.program, turn.share_s, turn.fewest).await?;
        turn.seconds.clear();
        round_s += f64::from(turn.repeats) * one_s;
    }
    let count = ((allowance_s / round_s) as usize).clamp(ROUNDS, MOST_ROUNDS);
    for round in 0..count {
        for place in 0..turns.len() {
            if stop() {
                return Ok(false);
            }
            // There and back: none is always the first, and a case stays next to its limit.
            let turn = if round % 2 == 0 { place } else { turns.len() - 1 - place };
            let turn = &mut turns[turn];
            let took = watch.time(turn.program, turn.repeats).await?;
            if took < watch.least_s() && turn.repeats < MOST {
                turn.fewest = (2 * turn.repeats).min(MOST);
                return Ok(false);
            } else if took < watch.least_s() {
                watch.give_up(COARSE);
            }
            if watch.clock() != clock {
                return Ok(false);
            }
            turn.seconds.push(took / f64::from(turn.repeats));
        }
    }
    Ok(true)
}

const COARSE: &str = "timestamps are too coarse for what the kernels take";

/// How many runs make a measurement of about `share_s` seconds, and no less than the clock can tell, and than `fewest`; and about how
/// many seconds one takes.
pub(super) async fn repeats_within(
    watch: &mut Stopwatch,
    program: &Program,
    share_s: f64,
    fewest: u32,
) -> Result<(u32, f64)> {
    // The first run compiles, and fills caches.
    watch.time(program, 1).await?;
    let mut runs = fewest;
    loop {
        let took = watch.time(program, runs).await?;
        match next(runs, took, watch.least_s(), share_s) {
            Plan::Try(more) => runs = more,
            Plan::Take(repeats) => return Ok((repeats.max(fewest), took / f64::from(runs))),
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
