//! What the host runs itself, as steps of training: timed in turns with a limit's kernel, both by the host's clock.

use super::clock::Stopwatch;
use super::limits::Limit;
use super::measure::{Measure, fill_percents, times};
use super::pair::{Paired, ROUNDS, repeats_within};
use super::result::Row;
use crate::error::Result;

/// Times of what the host runs, with those of a limit's kernel.
pub(super) struct Hosted {
    paired: Paired,
    /// Executions of a round.
    repeats: u32,
    limit: Limit,
    /// What a run of the limit's kernel does.
    limit_work: f64,
}

impl Measure<'_> {
    /// Times `run`, which gives the seconds of so many executions, at most `most`, in turns with a limit's kernel, which moves
    /// about `bytes` where it is one of bandwidth. None if told to stop.
    ///
    /// # Errors
    /// As `run` and the kernels.
    pub(super) async fn hosted(
        &mut self,
        (limit, bytes): (Limit, f64),
        most: u32,
        mut run: impl AsyncFnMut(u32) -> Result<f64>,
    ) -> Result<Option<Hosted>> {
        let place = self.plain(limit, bytes).await?;
        let plain = &self.plain[place].1;
        let watch = &mut Stopwatch::of_host(&self.gpu);
        let share = self.allowance_s() / ROUNDS as f64 / 2.0;
        // The first is slower; one that is long is a measure by itself.
        let few = if run(1).await? > share { 1 } else { most.min(8) };
        let one = run(few).await? / f64::from(few);
        let repeats = (share.max(watch.least_s()) / one).clamp(1.0, most.into()) as u32;
        let (limit_repeats, _) = repeats_within(watch, &plain.program, share).await?;
        let runs = repeats * ROUNDS as u32;
        let mut paired = Paired { seconds: Vec::new(), limit_seconds: Vec::new(), runs };
        for round in 0..ROUNDS {
            if (self.stop)() {
                return Ok(None);
            }
            // Neither is always the first.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    paired.seconds.push(run(repeats).await? / f64::from(repeats));
                } else {
                    let seconds = watch.time(&plain.program, limit_repeats).await?;
                    paired.limit_seconds.push(seconds / f64::from(limit_repeats));
                }
            }
        }
        Ok(Some(Hosted { paired, repeats, limit, limit_work: plain.work }))
    }
}

impl Hosted {
    /// Executions of a round.
    pub(super) fn repeats(&self) -> u32 {
        self.repeats
    }

    /// Writes down times, and what an execution that does `work` reaches of the limit.
    pub(super) fn fill(&self, row: &mut Row, work: f64) {
        times(row, &self.paired);
        row.clock = Some("wall".into());
        row.limit = Some(self.limit.name().into());
        fill_percents(row, &self.paired, work, self.limit_work);
    }
}
