//! Times cases and their ceilings in turns. Clock rates, other load and temperature change over time; ratios within a round
//! hardly do.

use std::iter::once;

use super::clock::Stopwatch;
use super::roofline::CeilingKernel;
use crate::error::Result;
use crate::gpu::Program;

/// Minimum number of rounds: the smallest whose median stands three disturbed rounds.
pub(super) const ROUNDS: usize = 7;
/// Maximum number of rounds, for short runs: with more rounds, a disturbance affects a smaller fraction.
const MOST_ROUNDS: usize = 15;
/// Maximum runs in a measurement: with so many, even a nearly empty kernel lasts fifty steps of a coarse clock.
const MOST: u32 = 100_000;

/// Measured times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paired {
    /// Seconds of one run of the case, for each round.
    pub(super) seconds: Vec<f64>,
    /// Seconds of one run of the ceiling's kernel, for each round; empty without a ceiling.
    pub(super) ceiling_seconds: Vec<f64>,
    /// Runs of the case in all rounds.
    pub(super) runs: u32,
}

/// A program that takes turns with others.
struct Turn<'a> {
    program: &'a Program,
    /// Target seconds of its runs in a round.
    share_s: f64,
    /// Runs in a round.
    repeats: u32,
    /// Runs in all rounds.
    runs: u32,
    /// Seconds of one run, for each round.
    seconds: Vec<f64>,
}

/// A case and its ceiling's kernel, if it has one.
struct Pair<'a> {
    case: Turn<'a>,
    ceiling: Option<Turn<'a>>,
}

impl<'a> Pair<'a> {
    fn new(program: &'a Program, ceiling: Option<&'a CeilingKernel>, allowance_s: f64) -> Self {
        let share_s = allowance_s / MOST_ROUNDS as f64 / if ceiling.is_some() { 2.0 } else { 1.0 };
        // A ceiling's kernel is built to last a few milliseconds or less.
        let ceiling = ceiling.map(|ceiling| Turn::new(&ceiling.program, share_s.min(0.02)));
        Self { case: Turn::new(program, share_s), ceiling }
    }
}

/// How rounds ended.
enum Ended {
    Done,
    Stopped,
    /// The clock was changed; times of two clocks are not mixed.
    ClockGivenUp,
}

/// Times programs in turns, each next to its ceiling's kernel if it has one, for about `allowance_s` seconds each. None if told
/// to stop.
///
/// # Errors
/// As [`Stopwatch::time`].
pub(super) async fn in_turns(
    watch: &mut Stopwatch,
    programs: &[(&Program, Option<&CeilingKernel>)],
    allowance_s: f64,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<Paired>>> {
    let mut pairs: Vec<_> =
        programs.iter().map(|&(program, ceiling)| Pair::new(program, ceiling, allowance_s)).collect();
    loop {
        let mut turns: Vec<_> =
            pairs.iter_mut().flat_map(|pair| once(&mut pair.case).chain(&mut pair.ceiling)).collect();
        match rounds(watch, &mut turns, allowance_s * programs.len() as f64, stop).await? {
            Ended::Done => break,
            Ended::Stopped => return Ok(None),
            Ended::ClockGivenUp => {}
        }
    }
    let paired = |Pair { case, ceiling }| {
        let ceiling_seconds = ceiling.map_or_else(Vec::new, |ceiling: Turn<'_>| ceiling.seconds);
        Paired { seconds: case.seconds, ceiling_seconds, runs: case.runs }
    };
    Ok(Some(pairs.into_iter().map(paired).collect()))
}

/// Measures all rounds, in about `allowance_s` seconds.
async fn rounds(
    watch: &mut Stopwatch,
    turns: &mut [&mut Turn<'_>],
    allowance_s: f64,
    stop: &dyn Fn() -> bool,
) -> Result<Ended> {
    let clock = watch.clock();
    let mut round_s = 0.0;
    for turn in turns.iter_mut() {
        if stop() {
            return Ok(Ended::Stopped);
        }
        let (repeats, one_s) = repeats_within(watch, turn.program, turn.share_s).await?;
        **turn = Turn { repeats, ..Turn::new(turn.program, turn.share_s) };
        round_s += f64::from(repeats) * one_s;
    }
    for round in 0..count(round_s, allowance_s) {
        for place in order(round, turns.len()) {
            if stop() {
                return Ok(Ended::Stopped);
            }
            turns[place].measure(watch).await?;
            if watch.clock() != clock {
                return Ok(Ended::ClockGivenUp);
            }
        }
    }
    Ok(Ended::Done)
}

/// Number of rounds of `round_s` seconds to measure in about `allowance_s`.
fn count(round_s: f64, allowance_s: f64) -> usize {
    ((allowance_s / round_s) as usize).clamp(ROUNDS, MOST_ROUNDS)
}

/// Order of `of` programs in a round. It alternates between forward and backward: none is always first, and a case stays next to
/// its ceiling.
fn order(round: usize, of: usize) -> impl Iterator<Item = usize> {
    (0..of).map(move |place| if round.is_multiple_of(2) { place } else { of - 1 - place })
}

impl<'a> Turn<'a> {
    fn new(program: &'a Program, share_s: f64) -> Self {
        Self { program, share_s, repeats: 1, runs: 0, seconds: Vec::new() }
    }

    /// Measures a round. Doubles the runs while they are too short for the clock; if the maximum is still too short, gives the
    /// clock up.
    async fn measure(&mut self, watch: &mut Stopwatch) -> Result<()> {
        let mut took = watch.time(self.program, self.repeats).await?;
        while took < watch.least_s() && self.repeats < MOST {
            self.repeats = (2 * self.repeats).min(MOST);
            took = watch.time(self.program, self.repeats).await?;
        }
        if took < watch.least_s() {
            watch.give_up(COARSE);
        }
        self.runs += self.repeats;
        self.seconds.push(took / f64::from(self.repeats));
        Ok(())
    }
}

const COARSE: &str = "timestamps are too coarse for what the kernels take";

/// Number of runs for a measurement of about `share_s` seconds, at least as long as the clock needs, and the approximate seconds
/// of one measurement.
pub(super) async fn repeats_within(watch: &mut Stopwatch, program: &Program, share_s: f64) -> Result<(u32, f64)> {
    // The first run compiles and fills caches.
    watch.time(program, 1).await?;
    let mut runs = 1;
    loop {
        let took = watch.time(program, runs).await?;
        match next(runs, took, watch.least_s(), share_s) {
            Plan::Try(more) => runs = more,
            Plan::Take(repeats) => return Ok((repeats, took / f64::from(runs))),
        }
    }
}

/// The decision after a first measurement.
#[derive(Debug, PartialEq)]
enum Plan {
    /// Too short: try this number of runs.
    Try(u32),
    /// Long enough: use this number of runs.
    Take(u32),
}

/// Decides after `runs` runs that took `took_s` seconds. A measurement must last `least_s` and should last `share_s`.
fn next(runs: u32, took_s: f64, least_s: f64, share_s: f64) -> Plan {
    let within = |runs: f64| runs.clamp(1.0, MOST.into()) as u32;
    if took_s >= least_s || runs >= MOST {
        let one = took_s / f64::from(runs);
        // Rounds vary, so the clock's minimum gets a margin of one half.
        return Plan::Take(within((share_s / one).floor().max((1.5 * least_s / one).ceil())));
    }
    // A time of 0 does not tell how many runs are needed.
    let factor = if took_s > 0.0 { (1.2 * least_s / took_s).clamp(2.0, 16.0) } else { 16.0 };
    Plan::Try(within((f64::from(runs) * factor).ceil()))
}

impl Paired {
    /// The percentage of the ceiling reached in each round, if a run of the case does `work` and one of the ceiling's kernel
    /// `ceiling_work`.
    pub(super) fn percents(&self, work: f64, ceiling_work: f64) -> Vec<f64> {
        let rate = |work: f64, seconds: f64| work / seconds;
        let pairs = self.seconds.iter().zip(&self.ceiling_seconds);
        pairs.map(|(&case, &ceiling)| 100.0 * rate(work, case) / rate(ceiling_work, ceiling)).collect()
    }
}

/// The `p` quantile of `values`, with linear interpolation; NaN if there are none.
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
        // A clock with steps of 65 us; 50 steps.
        let least = 50.0 * 65e-6;
        assert_eq!(next(1, 0.0, least, 0.01), Plan::Try(16));
        assert_eq!(next(16, 650e-6, least, 0.01), Plan::Try(96));
        assert_eq!(next(96, 0.0096, least, 0.01), Plan::Take(100));
        // The clock's minimum wins over a small share. A long case runs once.
        assert_eq!(next(96, 0.0096, least, 0.001), Plan::Take(49));
        assert_eq!(next(1, 2.0, least, 0.01), Plan::Take(1));
        // Programs that take no time also terminate.
        assert_eq!(next(MOST, 0.0, least, 0.01), Plan::Take(MOST));
    }

    #[test]
    fn rounds_go_there_and_back_and_are_as_many_as_fit() {
        let orders = [0, 1, 2].map(|round| order(round, 4).collect::<Vec<_>>());
        assert_eq!(orders, [[0, 1, 2, 3], [3, 2, 1, 0], [0, 1, 2, 3]]);
        assert_eq!([0.1, 0.099, 0.5, 0.0].map(|round_s| count(round_s, 1.0)), [10, 10, ROUNDS, MOST_ROUNDS]);
    }

    #[test]
    fn ratios_are_of_pairs() {
        // The machine runs at half speed in the second round; the ratio stays the same.
        let paired = Paired { seconds: vec![2.0, 4.0], ceiling_seconds: vec![0.5, 1.0], runs: 2 };
        assert_eq!(paired.percents(10.0, 5.0), [50.0, 50.0]);
    }
}
