//! Ctrl-C: the first lets a run finish its step and save itself, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;

use super::progress::note;

/// How the program ends when it was told to.
pub const EXIT_CODE: u8 = 130;

/// Nothing would be lost: a signal ends the program.
const IDLE: u8 = 0;
/// A run is under way that can save itself.
const AT_WORK: u8 = 1;
/// It was asked to.
const ASKED: u8 = 2;

/// What a run was told from outside. On Unix SIGTERM and SIGHUP count as Ctrl-C.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Takes the signals of the process; once a process.
    pub fn install() -> anyhow::Result<Self> {
        let state = Arc::new(AtomicU8::new(IDLE));
        let shared = Arc::clone(&state);
        ctrlc::set_handler(move || {
            if shared.compare_exchange(AT_WORK, ASKED, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                note("finishing the step and saving; once more to quit at once");
            } else {
                // Files are whole or not there at any moment, so that nothing needs an orderly end.
                std::process::exit(EXIT_CODE.into());
            }
        })
        .context("no handler for Ctrl-C")?;
        Ok(Self(state))
    }

    /// From now on a signal only asks, once.
    pub fn hold(&self) {
        self.0.store(AT_WORK, Ordering::SeqCst);
    }

    /// Whether a signal came since [`hold`](Self::hold).
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) == ASKED
    }

    /// All is saved: from now on a signal ends the program at once.
    pub fn release(&self) {
        self.0.store(IDLE, Ordering::SeqCst);
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
