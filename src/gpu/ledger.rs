//! Counts of device memory and of objects made on a device.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Device memory in use, and numbers of objects made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of live buffers and textures.
    pub live_bytes: u64,
    /// The largest `live_bytes` so far, or since [`super::Gpu::forget_peak`].
    pub peak_bytes: u64,
    /// Buffers and textures made so far.
    pub allocations: u64,
    /// Bind groups made so far.
    pub bind_groups: u64,
    /// Pipelines made so far.
    pub pipelines: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    live: AtomicU64,
    peak: AtomicU64,
    pub(crate) allocations: AtomicU64,
    pub(crate) bind_groups: AtomicU64,
    pub(crate) pipelines: AtomicU64,
}

thread_local! {
    static ASKED_BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Bytes that this thread has requested so far, on all devices.
pub(super) fn asked_bytes() -> u64 {
    ASKED_BYTES.get()
}

impl Ledger {
    pub(crate) fn count(self: &Arc<Self>, bytes: u64) -> Lease {
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
        self.allocations.fetch_add(1, Ordering::Relaxed);
        ASKED_BYTES.set(ASKED_BYTES.get() + bytes);
        Lease { ledger: Arc::clone(self), bytes }
    }

    /// Resets the peak to the memory in use now.
    pub(crate) fn forget_peak(&self) {
        self.peak.store(self.live.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> MemoryUse {
        MemoryUse {
            live_bytes: self.live.load(Ordering::Relaxed),
            peak_bytes: self.peak.load(Ordering::Relaxed),
            allocations: self.allocations.load(Ordering::Relaxed),
            bind_groups: self.bind_groups.load(Ordering::Relaxed),
            pipelines: self.pipelines.load(Ordering::Relaxed),
        }
    }
}

/// Bytes that count as live until this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ledger.live.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
