//! `metrics.jsonl`: one object a logging interval, and the same numbers kept for the curve.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use aft_wgpu::Result;
use aft_wgpu::ops::nn::train_state::Record;
use aft_wgpu::train::bits;
use serde::Serialize;

use super::run_folder::{METRICS, RunFolder};
use crate::shared::io_error;

/// A line of the file.
#[derive(Debug, Serialize)]
struct Line {
    /// Steps done.
    step: u32,
    /// Mean over the interval.
    train_bits_per_byte: f64,
    /// Of the interval's last step.
    lr: f32,
    /// Gradient norm before clipping, of the interval's last step.
    norm: f32,
    /// Training alone.
    tokens_per_second: f64,
    /// Since the start of the command.
    seconds: f64,
    /// Steps whose gradient was not finite, since the start.
    skipped_steps: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_bits_per_byte: Option<f64>,
    /// How many windows of the validation text that is the mean of.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_windows: Option<u64>,
}

/// A validation result.
#[derive(Debug, Clone, Copy)]
pub struct Validation {
    pub bits_per_byte: f64,
    /// Windows read.
    pub windows: u64,
}

/// Collects records and writes a line an interval.
pub struct Metrics {
    file: File,
    path: String,
    interval: Vec<Record>,
    interval_time: Duration,
    step_tokens: f64,
    /// Steps done.
    pub step: u32,
    /// Steps whose gradient was not finite.
    pub skipped: u32,
    /// Time spent in training steps.
    training_time: Duration,
    /// Points (step, bits per byte) of the curve.
    pub train: Vec<(f64, f64)>,
    /// Points (step, bits per byte) of the curve.
    pub valid: Vec<(f64, f64)>,
}

impl Metrics {
    /// An empty file in `folder`, for steps of `step_tokens` tokens.
    pub fn create(folder: &RunFolder, step_tokens: f64) -> Result<Self> {
        Ok(Self {
            file: folder.create(METRICS)?,
            path: Path::new(folder.path()).join(METRICS).display().to_string(),
            interval: Vec::new(),
            interval_time: Duration::ZERO,
            step_tokens,
            step: 0,
            skipped: 0,
            training_time: Duration::ZERO,
            train: Vec::new(),
            valid: Vec::new(),
        })
    }

    /// Takes the records of steps that took `time`.
    pub fn add(&mut self, records: Vec<Record>, time: Duration) {
        self.step += records.len() as u32;
        self.skipped += records.iter().filter(|r| r.skipped != 0).count() as u32;
        self.training_time += time;
        self.interval_time += time;
        self.interval.extend(records);
    }

    /// Mean loss of the interval under way, in nats.
    pub fn loss(&self) -> f64 {
        self.interval.iter().map(|r| f64::from(r.loss)).sum::<f64>() / self.interval.len() as f64
    }

    /// Mean time of a step so far, in seconds; not a number before the first.
    pub fn step_seconds(&self) -> f64 {
        self.training_time.as_secs_f64() / f64::from(self.step)
    }

    /// Training speed over the whole run.
    pub fn tokens_per_second(&self) -> f64 {
        per_second(self.step_tokens * f64::from(self.step), self.training_time)
    }

    /// Ends the interval with a line, `seconds` after the start of the command.
    pub fn end_interval(&mut self, valid: Option<Validation>, seconds: f64) -> Result<()> {
        let Some(last) = self.interval.last() else { return Ok(()) };
        let line = Line {
            step: self.step,
            train_bits_per_byte: bits(self.loss()),
            lr: last.lr,
            norm: last.norm,
            tokens_per_second: per_second(self.step_tokens * self.interval.len() as f64, self.interval_time),
            seconds,
            skipped_steps: self.skipped,
            valid_bits_per_byte: valid.map(|v| v.bits_per_byte),
            valid_windows: valid.map(|v| v.windows),
        };
        let step = f64::from(self.step);
        self.train.push((step, line.train_bits_per_byte));
        self.valid.extend(valid.map(|v| (step, v.bits_per_byte)));
        self.interval.clear();
        self.interval_time = Duration::ZERO;
        serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(self.file, "{text}"))
            .map_err(io_error(&self.path))
    }
}

fn per_second(count: f64, time: Duration) -> f64 {
    count / time.as_secs_f64().max(1e-9)
}
