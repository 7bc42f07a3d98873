//! Ctrl-C handling: the first signal lets a run finish its step and save; the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use anyhow::Context;

use crate::shared::note;
use crate::signals;

/// Exit code after an interrupt.
pub const EXIT_CODE: u8 = 130;

/// How the next signal is handled.
#[repr(u8)]
#[derive(Clone, Copy)]
enum State {
    /// Nothing to save: the signal ends the program.
    Idle,
    /// A run is in progress and can save itself.
    AtWork,
    /// The run was asked to stop; another signal ends the program.
    Asked,
}

/// The interrupt state of the process. On Unix, SIGTERM and SIGHUP count as Ctrl-C.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Installs the signal handlers; call once per process. Signals that the process was started to ignore stay ignored, such as
    /// SIGHUP under nohup. `answer` is printed at the first signal.
    pub fn install(answer: &'static str) -> anyhow::Result<Self> {
        let interrupt = Self(Arc::new(AtomicU8::new(State::Idle as u8)));
        let shared = interrupt.clone();
        let ignored = signals::ignored();
        ctrlc::set_handler(move || {
            if shared.change(State::AtWork, State::Asked) {
                note(answer);
            } else {
                // Files are replaced atomically, so no cleanup is needed.
                std::process::exit(EXIT_CODE.into());
            }
        })
        .context("no handler for Ctrl-C")?;
        ignored.into_iter().for_each(signals::ignore);
        Ok(interrupt)
    }

    /// From now on, the first signal only requests a stop. An earlier request is kept.
    pub fn hold(&self) {
        self.change(State::Idle, State::AtWork);
    }

    /// Whether a stop was requested since [`hold`](Self::hold).
    pub fn asked(&self) -> bool {
        self.0.load(SeqCst) == State::Asked as u8
    }

    /// Everything is saved: from now on, a signal ends the program at once. False if a stop was requested before.
    pub fn release(&self) -> bool {
        self.change(State::AtWork, State::Idle)
    }

    fn change(&self, from: State, to: State) -> bool {
        self.0.compare_exchange(from as u8, to as u8, SeqCst, SeqCst).is_ok()
    }
}

/// Error: a run was interrupted and has been saved.
#[derive(Debug, thiserror::Error)]
#[error("interrupted after step {step}, and saved. To go on: aft train text --resume {run}")]
pub struct Interrupted {
    /// Training steps completed.
    pub step: u32,
    /// The run folder.
    pub run: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_stays_asked() {
        let interrupt = Interrupt(Arc::new(AtomicU8::new(State::Idle as u8)));
        interrupt.hold();
        assert!(!interrupt.asked() && interrupt.release());
        interrupt.hold();
        assert!(interrupt.change(State::AtWork, State::Asked));
        // A run does the same when it restarts on a new device.
        interrupt.hold();
        assert!(interrupt.asked() && !interrupt.release());
    }
}
