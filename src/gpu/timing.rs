//! Time by kernel: timestamp queries where the device granted them, else the wall clock around single submissions.

use std::collections::BTreeMap;

use super::Gpu;
use super::program::{Command, Program, record};
use crate::error::Result;

/// What time was measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Timestamp queries at the bounds of a pass.
    Timestamp,
    /// The host's clock around a submission; includes the cost of submitting.
    Wall,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Timestamp => "timestamp queries",
            Self::Wall => "wall clock, submission included",
        })
    }
}

/// The time that a kernel took in one run of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// Stem and entry point, or "copy".
    pub label: String,
    /// Dispatches.
    pub count: u32,
    /// Seconds, all dispatches together.
    pub seconds: f64,
}

/// Runs a program once, each command alone, and adds up the time by kernel, longest first. A second time only if the
/// timestamps turn out to be unusable.
///
/// # Errors
/// [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
pub async fn profile(gpu: &Gpu, program: &Program) -> Result<(Clock, Vec<KernelTime>)> {
    let stamps = gpu.caps().features.contains(wgpu::Features::TIMESTAMP_QUERY);
    let seconds = if stamps { by_timestamps(gpu, program).await? } else { None };
    let (clock, seconds) = match seconds {
        Some(seconds) => (Clock::Timestamp, seconds),
        None => (Clock::Wall, by_wall_clock(gpu, program)?),
    };
    let mut times: BTreeMap<String, KernelTime> = BTreeMap::new();
    for (command, seconds) in program.commands().iter().zip(seconds) {
        let label = match command {
            Command::Dispatch(d) => d.label.clone(),
            Command::Mirror(_) => "copy".to_owned(),
        };
        let empty = || KernelTime { label: label.clone(), count: 0, seconds: 0.0 };
        let entry = times.entry(label.clone()).or_insert_with(empty);
        entry.count += 1;
        entry.seconds += seconds;
    }
    let mut times: Vec<_> = times.into_values().collect();
    times.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    Ok((clock, times))
}

/// Seconds of each command; none if the stamps are zero or unordered, as some drivers give them.
async fn by_timestamps(gpu: &Gpu, program: &Program) -> Result<Option<Vec<f64>>> {
    const PAIRS: usize = 2048;
    let mut seconds = Vec::new();
    for commands in program.commands().chunks(PAIRS) {
        let count = 2 * commands.len() as u32;
        let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("profile"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let bytes = 8 * u64::from(count);
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = gpu.checked("profiling", || gpu.buffer("timestamps", bytes, usage)).await?;
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for (i, command) in (0u32..).zip(commands) {
            match command {
                Command::Dispatch(dispatch) => {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: Some(&dispatch.label),
                        timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                            query_set: &queries,
                            beginning_of_pass_write_index: Some(2 * i),
                            end_of_pass_write_index: Some(2 * i + 1),
                        }),
                    });
                    dispatch.record(&mut pass);
                }
                Command::Mirror(_) => record(std::slice::from_ref(command), &mut encoder),
            }
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        gpu.queue().submit([encoder.finish()]);
        let stamps: Vec<u64> = gpu.read(&resolved, 0, bytes).await?;
        let unit = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
        for (command, pair) in commands.iter().zip(stamps.chunks(2)) {
            match (command, pair) {
                (Command::Mirror(_), _) => seconds.push(0.0),
                (_, &[start, end]) if start != 0 && end >= start => seconds.push((end - start) as f64 * unit),
                _ => return Ok(None),
            }
        }
    }
    Ok(Some(seconds))
}

fn by_wall_clock(gpu: &Gpu, program: &Program) -> Result<Vec<f64>> {
    let run = |command: &Command| {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        record(std::slice::from_ref(command), &mut encoder);
        let start = web_time::Instant::now();
        let submission = gpu.queue().submit([encoder.finish()]);
        gpu.wait_for(&submission)?;
        Ok(start.elapsed().as_secs_f64())
    };
    program.commands().iter().map(run).collect()
}
