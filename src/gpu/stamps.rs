//! Timestamps around parts of an encoder, and checks of them: a driver may give none, zeros, or coarse ones.

use super::program::{Command, record};
use super::{Buffer, Gpu};
use crate::error::Result;

/// Timestamp queries: a begin and an end for each span of work.
pub(crate) struct Stamps {
    queries: wgpu::QuerySet,
    resolved: Buffer,
}

impl Stamps {
    /// Spans in a query set; WebGPU allows 4,096 queries.
    pub(crate) const SPANS: u32 = 2048;

    /// A query set; none if the device has no timestamps.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::DeviceLost`].
    pub(crate) async fn new(gpu: &Gpu) -> Result<Option<Self>> {
        if !gpu.caps().features.contains(wgpu::Features::TIMESTAMP_QUERY) || gpu.injector().hides_stamps() {
            return Ok(None);
        }
        let build = || {
            let count = 2 * Self::SPANS;
            let ty = wgpu::QueryType::Timestamp;
            let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor { label: Some("stamps"), ty, count });
            let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
            Ok(Self { queries, resolved: gpu.buffer("stamps", 8 * u64::from(count), usage)? })
        };
        gpu.checked("preparing timestamps", build).await.map(Some)
    }

    /// Records commands as span `span`. Dispatches alone go into one pass with timestamps at its bounds; if there are
    /// copies, empty passes around the commands write the timestamps.
    pub(crate) fn around(&self, encoder: &mut wgpu::CommandEncoder, span: u32, commands: &[Command]) {
        let [begin, end] = [Some(2 * span), Some(2 * span + 1)];
        if commands.iter().all(|command| matches!(command, Command::Dispatch(_))) {
            let mut pass = self.pass(encoder, begin, end);
            for command in commands {
                if let Command::Dispatch(dispatch) = command {
                    dispatch.record(&mut pass);
                }
            }
        } else {
            drop(self.pass(encoder, begin, None));
            record(commands, encoder);
            drop(self.pass(encoder, None, end));
        }
    }

    fn pass<'a>(
        &self,
        encoder: &'a mut wgpu::CommandEncoder,
        beginning_of_pass_write_index: Option<u32>,
        end_of_pass_write_index: Option<u32>,
    ) -> wgpu::ComputePass<'a> {
        let query_set = &self.queries;
        let writes =
            wgpu::ComputePassTimestampWrites { query_set, beginning_of_pass_write_index, end_of_pass_write_index };
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) })
    }

    /// Records the resolve of the first `spans` spans, which `read` needs.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, spans: u32) {
        encoder.resolve_query_set(&self.queries, 0..2 * spans, &self.resolved, 0);
    }

    /// The raw timestamps of the first `spans` spans, [begin, end] in ticks.
    pub(crate) async fn read(&self, gpu: &Gpu, spans: u32) -> Result<Vec<[u64; 2]>> {
        let ticks: Vec<u64> = gpu.read(&self.resolved, 0, 16 * u64::from(spans)).await?;
        Ok(ticks
            .chunks(2)
            .map(|pair| {
                [pair[0], pair[1]].map(|tick| gpu.injector().spoilt_stamp(tick, gpu.queue().get_timestamp_period()))
            })
            .collect())
    }
}

/// Seconds of each span; none if a timestamp is zero or a pair is out of order.
pub(crate) fn seconds(gpu: &Gpu, stamps: &[[u64; 2]]) -> Option<Vec<f64>> {
    let unit = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
    ticks(stamps).map(|ticks| ticks.into_iter().map(|ticks| ticks as f64 * unit).collect())
}

fn ticks(stamps: &[[u64; 2]]) -> Option<Vec<u64>> {
    stamps.iter().map(|&[begin, end]| if begin > 0 { end.checked_sub(begin) } else { None }).collect()
}

/// Resolution of the clock in ticks: the greatest common divisor of the differences of all stamps; 0 if all are equal.
pub(crate) fn step(stamps: &[[u64; 2]]) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let first = stamps.first().map_or(0, |pair| pair[0]);
    stamps.iter().flatten().fold(0, |step, &stamp| gcd(step, stamp.abs_diff(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_of_a_clock_is_what_its_stamps_share() {
        assert_eq!(step(&[[700, 800], [900, 1200]]), 100);
        assert_eq!(step(&[[7, 8], [9, 12]]), 1);
        assert_eq!((step(&[[5, 5]]), step(&[])), (0, 0));
    }

    #[test]
    fn stamps_that_are_none_are_told_apart() {
        let with = |begin, end| ticks(&[[5, 6], [begin, end]]);
        assert_eq!(with(7, 9), Some(vec![1, 2]));
        assert_eq!(with(7, 7), Some(vec![1, 0]));
        assert!(with(0, 0).is_none() && with(0, 7).is_none() && with(7, 6).is_none());
    }
}
