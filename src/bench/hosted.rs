//! Times work that the host drives, such as training steps, in turns with a ceiling's kernel. Both use the host's clock.

use super::clock::Stopwatch;
use super::measure::{Measure, fill_percents, times};
use super::pair::{Paired, ROUNDS, repeats_within};
use super::result::Row;
use super::roofline::Ceiling;
use crate::error::Result;

/// Times of such work, and of a ceiling's kernel.
pub(super) struct Hosted {
    paired: Paired,
    /// Executions in a round.
    repeats: u32,
    ceiling: Ceiling,
    /// Work of one run of the ceiling's kernel.
    ceiling_work: f64,
}

impl Measure<'_> {
    /// Times `run` in turns with a ceiling's kernel. `run` performs a number of executions, at most `most`, and returns their
    /// seconds. The kernel of a bandwidth ceiling moves about `bytes`. None if told to stop.
    ///
    /// # Errors
    /// Those of `run` and of the kernels.
    pub(super) async fn hosted(
        &mut self,
        (ceiling, bytes): (Ceiling, f64),
        most: u32,
        mut run: impl AsyncFnMut(u32) -> Result<f64>,
    ) -> Result<Option<Hosted>> {
        let place = self.ceiling(ceiling, bytes).await?;
        let kernel = &self.ceilings[place].1;
        let watch = &mut Stopwatch::of_host(&self.gpu);
        let share = self.allowance_s() / ROUNDS as f64 / 2.0;
        // The first execution is slower. A long one is a sufficient measurement.
        let few = if run(1).await? > share { 1 } else { most.min(8) };
        let one = run(few).await? / f64::from(few);
        let repeats = (share.max(watch.least_s()) / one).clamp(1.0, most.into()) as u32;
        let (ceiling_repeats, _) = repeats_within(watch, &kernel.program, share).await?;
        let runs = repeats * ROUNDS as u32;
        let mut paired = Paired { seconds: Vec::new(), ceiling_seconds: Vec::new(), runs };
        for round in 0..ROUNDS {
            if (self.stop)() {
                return Ok(None);
            }
            // The order alternates, so that neither is always first.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    paired.seconds.push(run(repeats).await? / f64::from(repeats));
                } else {
                    let seconds = watch.time(&kernel.program, ceiling_repeats).await?;
                    paired.ceiling_seconds.push(seconds / f64::from(ceiling_repeats));
                }
            }
        }
        Ok(Some(Hosted { paired, repeats, ceiling, ceiling_work: kernel.work }))
    }
}

impl Hosted {
    /// Executions in a round.
    pub(super) fn repeats(&self) -> u32 {
        self.repeats
    }

    /// Writes times into a row, and the percentage of the ceiling for an execution that does `work`.
    pub(super) fn fill(&self, row: &mut Row, work: f64) {
        times(row, &self.paired);
        row.clock = Some("wall".into());
        row.limit = Some(self.ceiling.name().into());
        fill_percents(row, &self.paired, work, self.ceiling_work);
    }
}
