//! Ctrl-C: the first lets a run finish its step and save itself, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use anyhow::Context;

use crate::shared::note;
use crate::signals;

/// How the program ends when it was told to.
pub const EXIT_CODE: u8 = 130;

/// What a signal means.
#[repr(u8)]
#[derive(Clone, Copy)]
enum State {
    /// Nothing would be lost: it ends the program.
    Idle,
    /// A run is under way that can save itself.
    AtWork,
    /// It was asked to; another one ends the program.
    Asked,
}

/// What a run was told from outside. On Unix SIGTERM and SIGHUP count as Ctrl-C.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Takes the signals of the process; once a process. One that the process was started to ignore stays ignored, as
    /// SIGHUP under nohup. The first signal is answered by `answer`.
    pub fn install(answer: &'static str) -> anyhow::Result<Self> {
        let interrupt = Self(Arc::new(AtomicU8::new(State::Idle as u8)));
        let shared = interrupt.clone();
        let ignored = signals::ignored();
        ctrlc::set_handler(move || {
            if shared.change(State::AtWork, State::Asked) {
                note(answer);
            } else {
                // Files are whole or not there at any moment, so that nothing needs an orderly end.
                std::process::exit(EXIT_CODE.into());
            }
        })
        .context("no handler for Ctrl-C")?;
        ignored.into_iter().for_each(signals::ignore);
        Ok(interrupt)
    }

    /// From now on a signal only asks, once. What was asked before stays asked.
    pub fn hold(&self) {
        self.change(State::Idle, State::AtWork);
    }

    /// Whether a signal came since [`hold`](Self::hold).
    pub fn asked(&self) -> bool {
        self.0.load(SeqCst) == State::Asked as u8
    }

    /// All is saved: from now on a signal ends the program at once. False if one came before.
    pub fn release(&self) -> bool {
        self.change(State::AtWork, State::Idle)
    }

    fn change(&self, from: State, to: State) -> bool {
        self.0.compare_exchange(from as u8, to as u8, SeqCst, SeqCst).is_ok()
    }
}

/// A run that was told to stop, and is saved.
#[derive(Debug, thiserror::Error)]
#[error("interrupted after step {step}, and saved. To go on: aft train text --resume {run}")]
pub struct Interrupted {
    /// Steps done.
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
        // As a run does that begins again on a new device.
        interrupt.hold();
        assert!(interrupt.asked() && !interrupt.release());
    }
}
