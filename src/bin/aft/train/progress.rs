//! Progress on stderr: a bar on a terminal, else a plain line every few seconds.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use aft_wgpu::train::bits;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

pub use crate::shared::note;

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What is shown beside the number of steps.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// Steps done.
    pub step: u32,
    /// Training loss in nats.
    pub loss: f64,
    /// Of the steps shown last.
    pub tokens_per_second: f64,
    /// Estimate of the time to the last step.
    pub left: Duration,
}

/// Shows how far training has come.
pub struct Progress {
    steps: u32,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    pub fn new(steps: u32) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(u64::from(steps));
            // A template is checked when it is parsed; this one is constant, and the default one would do as well.
            if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        // The first line comes at once.
        let last_line = Instant::now().checked_sub(LINE_EVERY).unwrap_or_else(Instant::now);
        Self { steps, bar, last_line }
    }

    pub fn show(&mut self, state: &State) {
        let text = describe(state);
        if let Some(bar) = &self.bar {
            bar.set_position(u64::from(state.step));
            bar.set_message(text);
        } else if self.last_line.elapsed() >= LINE_EVERY || state.step == self.steps {
            self.last_line = Instant::now();
            note(format_args!("step {}/{} · {text}", state.step, self.steps));
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    /// Whatever ends a run, its last words do not run into the bar.
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
