//! Faults on purpose: tests see with them how everything behind an allocation takes one that fails.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;

thread_local! {
    /// Whether an allocation of this thread was denied; an error scope belongs to a thread, too.
    static DENIED: Cell<bool> = const { Cell::new(false) };
}

/// Allocations up to the one that is denied; 0 if none will be.
#[derive(Debug, Default)]
pub(super) struct Injector(AtomicU64);

impl Gpu {
    /// For tests: the `n`-th buffer or texture from now on, counted from 1 over all threads and clones, gets no memory, once; 0
    /// takes that back. What is made then is what a driver without memory leaves: whatever uses it fails.
    pub fn fail_allocation(&self, n: u64) {
        self.injector().0.store(n, Ordering::SeqCst);
    }

    /// Whether the allocation under way is denied.
    pub(super) fn denies_allocation(&self) -> bool {
        let count = |left: u64| left.checked_sub(1);
        let denied = self.injector().0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1);
        DENIED.set(DENIED.get() || denied);
        denied
    }
}

/// Whether an allocation of this thread was denied since the last call.
pub(super) fn take_denied() -> bool {
    DENIED.take()
}
