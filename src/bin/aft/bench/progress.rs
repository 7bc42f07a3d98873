//! Progress of a benchmark on stderr: a bar on a terminal, otherwise a plain line every few seconds.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use aft_wgpu::bench::Progress;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::shared::note;

/// Time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress display.
pub struct Bar {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Bar {
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // Templates are checked at run time. This one is constant; if parsing fails, the default style is used.
            if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        // Makes the first line appear at once.
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
    /// Removes the bar, so that later messages start on a clean line.
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}
