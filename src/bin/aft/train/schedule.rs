//! The steps at which a run logs, evaluates, and checks whether to save.

use super::save_every::SaveEvery;

/// Number of logging intervals in a long run.
const INTERVALS: u32 = 100;

/// Number of evaluations; the last one reads the whole selection of validation text.
const EVALUATIONS: u32 = 8;

/// While the number of steps is not fixed, the next interval is a 1/GROWTH of the steps done.
const GROWTH: u32 = 20;

/// The events of a run, by step.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The number of steps, or the maximum while it is not fixed.
    pub steps: u32,
    /// The number of steps is not fixed yet: intervals grow with the run, and nothing is evaluated.
    pub measuring: bool,
    pub save_every: SaveEvery,
}

impl Schedule {
    /// The end of the logging interval that contains the step after `step`.
    pub fn interval_end(self, step: u32) -> u32 {
        let end = match self.measuring {
            true => step.checked_add((step / GROWTH).max(1)),
            false => step.saturating_add(1).checked_next_multiple_of(self.interval()),
        };
        end.map_or(self.steps, |end| end.min(self.steps))
    }

    /// The next step after `step` that has an event.
    pub fn stop(self, step: u32) -> u32 {
        self.interval_end(step).min(self.save_every.next(step))
    }

    /// Whether the model is evaluated after `step` steps, before the end.
    pub fn evaluates(self, step: u32) -> bool {
        !self.measuring && step.is_multiple_of(self.evaluated_every())
    }

    /// Steps between evaluations: a multiple of the interval.
    pub fn evaluated_every(self) -> u32 {
        self.steps.div_ceil(EVALUATIONS).next_multiple_of(self.interval())
    }

    /// Steps in a logging interval.
    fn interval(self) -> u32 {
        (self.steps / INTERVALS).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step that has an event.
    fn stops(steps: u32, save_every: SaveEvery) -> Vec<u32> {
        let schedule = Schedule { steps, measuring: false, save_every };
        let next = |&step: &u32| (step < steps).then(|| schedule.stop(step));
        std::iter::successors(Some(0), next).skip(1).collect()
    }

    #[test]
    fn intervals_and_savings_end_the_stretches() {
        assert_eq!(stops(3, SaveEvery::Seconds(1)), [1, 2, 3]);
        assert_eq!(stops(1005, SaveEvery::Seconds(1)).len(), 101);
        assert_eq!(stops(1000, SaveEvery::Steps(400)).len(), 100);
        assert_eq!(&stops(1000, SaveEvery::Steps(15))[..4], [10, 15, 20, 30]);
    }

    #[test]
    fn evaluations_fall_on_ends_of_intervals() {
        for steps in [1, 7, 150, 1000, 12_345, u32::MAX] {
            let schedule = Schedule { steps, measuring: false, save_every: SaveEvery::default() };
            let at = schedule.evaluated_every();
            assert!(schedule.evaluates(at) && schedule.interval_end(at - 1) == at.min(steps), "{steps}");
        }
    }

    #[test]
    fn intervals_grow_while_the_number_of_steps_is_not_fixed() {
        let schedule = Schedule { steps: u32::MAX, measuring: true, save_every: SaveEvery::Seconds(1) };
        let ends = std::iter::successors(Some(0), |&step| Some(schedule.stop(step))).take_while(|&step| step < 100_000);
        let ends: Vec<_> = ends.collect();
        assert!(ends.windows(2).all(|pair| pair[0] < pair[1] && !schedule.evaluates(pair[1])), "{ends:?}");
        assert!(ends[..20].iter().copied().eq(0..20) && ends.len() < 250, "{}", ends.len());
        assert_eq!(schedule.interval_end(u32::MAX - 1), u32::MAX);
    }

    #[test]
    fn the_largest_number_of_steps_is_one() {
        let schedule = Schedule { steps: u32::MAX, measuring: false, save_every: SaveEvery::Steps(1000) };
        for step in [u32::MAX - 1, u32::MAX - 2, u32::MAX - 100] {
            let end = schedule.interval_end(step);
            assert!(end > step && schedule.stop(step) > step && schedule.stop(step) <= end, "{step}");
        }
        assert_eq!(schedule.interval_end(u32::MAX - 1), u32::MAX);
    }
}
