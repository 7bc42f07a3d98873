//! Signals that the process was started to ignore, for example by nohup or by a shell for background jobs.

#[cfg(unix)]
pub use unix::{ignore, ignored};

#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library has no word for the disposition of a signal")]
mod unix {
    use std::mem::MaybeUninit;
    use std::ptr::null;

    use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int, sigaction, signal};

    /// The signals that are ignored now.
    pub fn ignored() -> Vec<c_int> {
        let ignores = |number: &c_int| {
            let mut action = MaybeUninit::<sigaction>::zeroed();
            // SAFETY: with no new action, the call only fills in the current action. All zeros is a valid value of it.
            unsafe {
                sigaction(*number, null(), action.as_mut_ptr()) == 0 && action.assume_init().sa_sigaction == SIG_IGN
            }
        };
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(ignores).collect()
    }

    /// Ignores a signal from now on.
    pub fn ignore(number: c_int) {
        // SAFETY: ignoring a signal runs no code.
        unsafe { signal(number, SIG_IGN) };
    }
}

/// Other systems have none.
#[cfg(not(unix))]
pub fn ignored() -> [(); 0] {
    []
}

/// Does nothing on other systems.
#[cfg(not(unix))]
pub fn ignore((): ()) {}
