//! The kernels of a program with their shares of the time, and the cost of recording the program.

use std::collections::BTreeMap;

use web_time::Instant;

use super::explanation::Share;
use super::measure::Measure;
use super::pair::{ROUNDS, median};
use crate::error::Result;
use crate::gpu::{Clock, Command, Gpu, Program, profile_by};

/// The kernels of a program with their times.
pub(super) async fn shares(measure: &Measure<'_>, program: &Program) -> Result<(Clock, Vec<Share>)> {
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    for command in program.commands() {
        let label = match command {
            Command::Dispatch(dispatch) => dispatch.label.clone(),
            Command::Mirror(_) | Command::Fetch(_) => "copy".to_owned(),
        };
        let empty = Share { label: label.clone(), count: 0, flops: 0.0, bytes: 0.0, ms: 0.0 };
        let share = shares.entry(label).or_insert(empty);
        let cost = command.cost();
        share.count += 1;
        share.flops += cost.flops;
        share.bytes += cost.bytes;
    }
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut clock = Clock::Wall;
    for _ in 0..ROUNDS {
        let (with, kernels) = profile_by(&measure.gpu, measure.watch.stamps(), program).await?;
        clock = with;
        kernels.into_iter().for_each(|kernel| times.entry(kernel.label).or_default().push(1e3 * kernel.seconds));
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    for share in &mut shares {
        share.ms = times.get(&share.label).map_or(0.0, |times| median(times));
    }
    shares.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok((clock, shares))
}

/// Number of compute passes: runs of dispatches between copies.
pub(super) fn passes(program: &Program) -> usize {
    let is_dispatch = |command: &Command| matches!(command, Command::Dispatch(_));
    let runs = program.commands().chunk_by(|a, b| is_dispatch(a) && is_dispatch(b));
    runs.filter(|run| is_dispatch(&run[0])).count()
}

/// Milliseconds in which the CPU records programs, without running them.
pub(super) fn encoding_ms(gpu: &Gpu, programs: &[&Program]) -> f64 {
    let once = || {
        let start = Instant::now();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        programs.iter().for_each(|program| program.record(&mut encoder));
        drop(encoder.finish());
        1e3 * start.elapsed().as_secs_f64()
    };
    median(&(0..ROUNDS).map(|_| once()).collect::<Vec<_>>())
}
