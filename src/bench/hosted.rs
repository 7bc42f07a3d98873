//! What the host runs itself, as steps of training: timed in turns with a ceiling's kernel, both by the host's clock.

use super::clock::Stopwatch;
use super::measure::{Measure, fill_percents, times};
use super::pair::{Paired, ROUNDS, repeats_within};
use super::result::Row;
use super::roofline::Ceiling;
use crate::error::Result;

/// Times of what the host runs, with those of a ceiling's kernel.
pub(super) struct Hosted {
    paired: Paired,
    /// Executions of a round.
    repeats: u32,
    ceiling: Ceiling,
    /// What a run of the ceiling's kernel does.
    ceiling_work: f64,
}

impl Measure<'_> {
    /// Times `run`, which gives the seconds of so many executions, at most `most`, in turns with a ceiling's kernel, which moves
    /// about `bytes` where it is one of bandwidth. None if told to stop.
    ///
    /// # Errors
    /// As `run` and the kernels.
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
        // The first is slower; one that is long is a measure by itself.
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
            // Neither is always the first.
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
    /// Executions of a round.
    pub(super) fn repeats(&self) -> u32 {
        self.repeats
    }

    /// Writes down times, and what an execution that does `work` reaches of the ceiling.
    pub(super) fn fill(&self, row: &mut Row, work: f64) {
        times(row, &self.paired);
        row.clock = Some("wall".into());
        row.limit = Some(self.ceiling.name().into());
        fill_percents(row, &self.paired, work, self.ceiling_work);
    }
}
