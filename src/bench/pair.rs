//! Rounds in which a case and its limit take turns: clocks, neighbours and temperatures change, ratios within a round hardly.

use super::clock::Stopwatch;
use super::limits::Plain;
use crate::error::Result;
use crate::gpu::Program;

/// Rounds at least: the least number of which the median is not moved by three that went wrong.
pub(super) const ROUNDS: usize = 7;
/// Runs in a measurement at most.
const MOST: f64 = 10_000.0;

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
    'again: loop {
        let clock = watch.clock();
        let share = allowance_s / ROUNDS as f64 / if limit.is_some() { 2.0 } else { 1.0 };
        let repeats = repeats_within(watch, program, share).await?;
        let limit_repeats = match limit {
            // Its kernel is made to last some milliseconds.
            Some(limit) => repeats_within(watch, &limit.program, share.min(0.02)).await?,
            None => 0,
        };
        let (mut seconds, mut limit_seconds) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            if stop() {
                return Ok(None);
            }
            // Neither is always the first.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    seconds.push(watch.time(program, repeats).await? / f64::from(repeats));
                } else if let Some(limit) = limit {
                    limit_seconds.push(watch.time(&limit.program, limit_repeats).await? / f64::from(limit_repeats));
                }
            }
            if watch.clock() != clock {
                // Times of two clocks are not mixed.
                continue 'again;
            }
        }
        return Ok(Some(Paired { seconds, limit_seconds, repeats }));
    }
}

/// How many runs make a measurement of about `share_s` seconds, and no less than the clock can tell.
async fn repeats_within(watch: &mut Stopwatch, program: &Program, share_s: f64) -> Result<u32> {
    let mut runs = 1.0;
    loop {
        let took = watch.time(program, runs as u32).await?;
        let wanted = watch.least_s().max(share_s);
        if took >= watch.least_s() || runs >= MOST {
            let one = took / runs;
            let enough = (watch.least_s() / one).ceil();
            return Ok((share_s / one).floor().max(enough).clamp(1.0, MOST) as u32);
        }
        // What took nothing says little about how much would be enough.
        let factor = if took > 0.0 { (1.2 * wanted / took).clamp(2.0, 16.0) } else { 16.0 };
        runs = f64::min((runs * factor).ceil(), MOST);
    }
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
    fn ratios_are_of_pairs() {
        // The machine slows down to a half in the second round: the ratio stays.
        let paired = Paired { seconds: vec![2.0, 4.0], limit_seconds: vec![0.5, 1.0], repeats: 1 };
        assert_eq!(paired.percents(10.0, 5.0), [50.0, 50.0]);
    }
}
