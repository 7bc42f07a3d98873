//! `metrics.jsonl`: one object per logging interval. The same numbers are kept in memory for the curve.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use aft_wgpu::Result;
use aft_wgpu::ops::nn::train_state::Record;
use aft_wgpu::train::bits;
use serde::{Deserialize, Serialize};

use super::run_folder::{METRICS, RunFolder};
use crate::shared::io_error;

/// A line of the file. If the run was resumed within the interval, the interval's values cover only the steps since then.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Training steps completed.
    step: u32,
    /// Values of the interval; none if the run was resumed at its end.
    #[serde(flatten)]
    interval: Option<Interval>,
    /// Time that the run has worked, since its start.
    seconds: f64,
    /// Steps skipped because the gradient was not finite, since the start.
    skipped_steps: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_bits_per_byte: Option<f64>,
    /// Number of validation windows in the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_windows: Option<u64>,
}

/// Values of one interval.
#[derive(Debug, Serialize, Deserialize)]
struct Interval {
    /// Mean over the interval.
    train_bits_per_byte: f64,
    /// Learning rate of the last step.
    lr: f32,
    /// Gradient norm of the last step, before clipping.
    norm: f32,
    /// Speed of the training steps alone.
    tokens_per_second: f64,
}

/// A validation result.
#[derive(Debug, Clone, Copy)]
pub struct Validation {
    pub bits_per_byte: f64,
    /// Windows evaluated.
    pub windows: u64,
}

/// Collects step records and writes one line per interval.
pub struct Metrics {
    file: File,
    path: String,
    interval: Vec<Record>,
    interval_time: Duration,
    step_tokens: f64,
    /// Training steps completed.
    pub step: u32,
    /// Steps since this command began or resumed the run.
    steps_here: u32,
    /// Steps skipped because the gradient was not finite.
    pub skipped: u32,
    /// Time spent in training steps since the run was begun or resumed.
    training_time: Duration,
    /// Seconds that the run worked before this command opened it at `since`.
    seconds_before: f64,
    since: Instant,
    /// Step of the last line that has a validation result.
    validated: Option<u32>,
    /// Training curve: points (step, bits per byte).
    pub train: Vec<(f64, f64)>,
    /// Validation curve: points (step, bits per byte).
    pub valid: Vec<(f64, f64)>,
}

impl Metrics {
    /// Opens the file in `folder` for a run that has completed `step` steps of `step_tokens` tokens, `skipped` of them without an
    /// update. Lines of later steps and invalid lines are cut off.
    pub fn open(folder: &RunFolder, step_tokens: f64, step: u32, skipped: u32) -> Result<Self> {
        let text = folder.read(METRICS)?.unwrap_or_default();
        let (lines, kept) = lines_up_to(&text, step);
        let mut file = folder.lines(METRICS)?;
        let path = folder.name(METRICS);
        file.set_len(kept).and_then(|()| file.seek(SeekFrom::End(0))).map_err(io_error(&path))?;
        let mut metrics = Self {
            file,
            path,
            interval: Vec::new(),
            interval_time: Duration::ZERO,
            step_tokens,
            step,
            steps_here: 0,
            skipped,
            training_time: Duration::ZERO,
            seconds_before: lines.last().map_or(0.0, |line| line.seconds),
            since: Instant::now(),
            validated: None,
            train: Vec::new(),
            valid: Vec::new(),
        };
        lines.iter().for_each(|line| metrics.plot(line));
        Ok(metrics)
    }

    /// Adds the records of steps that took `time`.
    pub fn add(&mut self, records: Vec<Record>, time: Duration) {
        self.step += records.len() as u32;
        self.steps_here += records.len() as u32;
        self.skipped += records.iter().filter(|r| r.skipped != 0).count() as u32;
        self.training_time += time;
        self.interval_time += time;
        self.interval.extend(records);
    }

    /// Mean loss of the current interval, in nats.
    pub fn loss(&self) -> f64 {
        self.interval.iter().map(|r| f64::from(r.loss)).sum::<f64>() / self.interval.len() as f64
    }

    /// Mean time of a step so far, in seconds; NaN before the first step.
    pub fn step_seconds(&self) -> f64 {
        self.training_time.as_secs_f64() / f64::from(self.steps_here)
    }

    /// Training speed since the run was begun or resumed.
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.step_tokens * f64::from(self.steps_here), self.training_time)
    }

    /// Ends the interval and writes its line. An interval without steps gets a line only for a validation result that is not
    /// written yet.
    pub fn end_interval(&mut self, valid: Option<Validation>) -> Result<()> {
        let interval = self.interval.last().map(|last| Interval {
            train_bits_per_byte: bits(self.loss()),
            lr: last.lr,
            norm: last.norm,
            tokens_per_second: per_second(self.step_tokens * self.interval.len() as f64, self.interval_time),
        });
        if interval.is_none() && (valid.is_none() || self.validated == Some(self.step)) {
            return Ok(());
        }
        let line = Line {
            step: self.step,
            interval,
            seconds: self.seconds(),
            skipped_steps: self.skipped,
            valid_bits_per_byte: valid.map(|v| v.bits_per_byte),
            valid_windows: valid.map(|v| v.windows),
        };
        self.plot(&line);
        self.interval.clear();
        self.interval_time = Duration::ZERO;
        serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(self.file, "{text}"))
            .map_err(io_error(&self.path))
    }

    /// Seconds that the run has worked since its start.
    pub fn seconds(&self) -> f64 {
        self.seconds_before + self.since.elapsed().as_secs_f64()
    }

    fn plot(&mut self, line: &Line) {
        let step = f64::from(line.step);
        self.train.extend(line.interval.as_ref().map(|interval| (step, interval.train_bits_per_byte)));
        if let Some(bits) = line.valid_bits_per_byte {
            self.valid.push((step, bits));
            self.validated = Some(line.step);
        }
    }
}

/// The lines of a file up to `step`, and their length in bytes.
fn lines_up_to(text: &[u8], step: u32) -> (Vec<Line>, u64) {
    let (mut lines, mut kept) = (Vec::new(), 0);
    for text in text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        match serde_json::from_slice::<Line>(text) {
            Ok(line) if line.step <= step => lines.push(line),
            _ => break,
        }
        kept += text.len() as u64;
    }
    (lines, kept)
}

fn per_second(count: f64, time: Duration) -> f64 {
    count / time.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_past_a_step_and_half_lines_are_cut_off() {
        let line = |step: u32| format!("{{\"step\":{step},\"seconds\":{step}.5,\"skipped_steps\":0}}\n");
        let text = [line(3), line(6), line(9)].concat();
        let length = line(3).len() as u64;
        let steps = |text: &str, step| {
            let (lines, kept) = lines_up_to(text.as_bytes(), step);
            (lines.iter().map(|l| l.step).collect::<Vec<_>>(), kept)
        };
        assert_eq!(steps(&text, 9), (vec![3, 6, 9], 3 * length));
        assert_eq!(steps(&text, 8), (vec![3, 6], 2 * length));
        assert_eq!(steps(&text, 0), (vec![], 0));
        assert_eq!(steps(&text[..text.len() - 1], 9), (vec![3, 6], 2 * length), "half a line");
        assert_eq!(steps(&format!("{}no line\n{}", line(3), line(6)), 9), (vec![3], length));
    }
}
