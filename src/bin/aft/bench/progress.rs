//! How far a benchmark is, on stderr: a bar on a terminal, else a plain line every few seconds.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use aft_wgpu::bench::Progress;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::shared::note;

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows progress.
pub struct Bar {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Bar {
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // A template is checked when it is parsed; this one is constant, and the default one would do as well.
            if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        // The first line comes at once.
        let last_line = Instant::now().checked_sub(LINE_EVERY).unwrap_or_else(Instant::now);
        Self { bar, last_line }
    }

    pub fn show(&mut self, progress: &Progress) {
        let Progress { done, of, left_s, next } = progress;
        let left = left_s
            .map_or_else(String::new, |s| format!("{:#} left · ", HumanDuration(Duration::from_secs_f64(s.max(0.0)))));
        if let Some(bar) = &self.bar {
            bar.set_length(*of as u64);
            bar.set_position(*done as u64);
            bar.set_message(format!("{left}{next}"));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            note(format_args!("{done}/{of} · {left}{next}"));
        }
    }
}

impl Drop for Bar {
    /// Whatever ends a run, its last words do not run into the bar.
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}
