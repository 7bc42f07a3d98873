//! Progress of training on stderr: a bar on a terminal, otherwise a plain line every few seconds.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use aft_wgpu::train::bits;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

pub use crate::shared::note;

/// Time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Values shown beside the step count.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// Training steps completed.
    pub step: u32,
    /// Training loss in nats.
    pub loss: f64,
    /// Speed of the most recent steps.
    pub tokens_per_second: f64,
    /// Estimated time to the last step.
    pub left: Duration,
}

/// The progress display of a command.
pub struct Progress {
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Progress {
    /// A display whose bar appears with the first update. The first plain line comes after an interval.
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // Templates are checked at run time. This one is constant; if parsing fails, the default style is used.
            if let Ok(style) = ProgressStyle::with_template("{prefix} {pos}/{len} {wide_bar} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, last_line: Some(Instant::now()) }
    }

    /// The same, with the first plain line at once.
    pub fn at_once() -> Self {
        let mut progress = Self::new();
        progress.last_line = None;
        progress
    }

    /// Shows training at `state`, of about `steps` steps. The last step always gets a line.
    pub fn step(&mut self, state: &State, steps: u32) {
        let last = state.step == steps;
        self.show("step", [state.step, steps].map(u64::from), &describe(state), last);
    }

    /// Shows an evaluation that has read `done` of `of` windows since `begun`.
    pub fn window(&mut self, done: u64, of: u64, begun: Instant) {
        let left = begun.elapsed().mul_f64((of - done.min(of)) as f64 / done.max(1) as f64);
        self.show("window", [done, of], &format!("evaluating · {:#} left", HumanDuration(left)), false);
    }

    fn show(&mut self, what: &'static str, [done, of]: [u64; 2], text: &str, always: bool) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(what);
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(text.to_owned());
        } else if always || self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            note(format_args!("{what} {done}/{of} · {text}"));
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    /// Removes the bar, so that later messages start on a clean line.
    fn drop(&mut self) {
        self.end();
    }
}

fn describe(state: &State) -> String {
    let bits = bits(state.loss);
    let speed = HumanCount(state.tokens_per_second as u64);
    let left = HumanDuration(state.left);
    format!("loss {:.3} · {bits:.3} bits per byte · {speed} tokens/s · {left:#} left", state.loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_loss_bits_speed_and_time() {
        let state = State { step: 5, loss: 2.0, tokens_per_second: 12_345.6, left: Duration::from_secs(80) };
        assert_eq!(describe(&state), "loss 2.000 · 2.885 bits per byte · 12,345 tokens/s · 80s left");
    }
}
