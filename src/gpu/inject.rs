//! Fault injection for tests: failed allocations, bad timestamps, wrong kernels.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Kernel;

thread_local! {
    /// Whether an allocation of this thread was denied. Per thread, as error scopes are.
    static DENIED: Cell<bool> = const { Cell::new(false) };
}

/// Faults injected into a device.
#[derive(Debug, Default)]
pub(super) struct Injector {
    /// Allocations until the denied one, that one included; 0 for none.
    pub(super) allocations: AtomicU64,
    pub(super) stamps: OnceLock<StampFault>,
    /// Stem of the kernels that store wrong values.
    pub(super) kernel: OnceLock<String>,
}

/// Fault of a device's timestamps.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampFault {
    /// No timestamps.
    Absent,
    /// All are zero.
    Zero,
    /// Rounded down to steps of 65,536 ns.
    Coarse,
}

impl Injector {
    /// Whether timestamps are treated as not granted.
    pub(super) fn hides_stamps(&self) -> bool {
        self.stamps.get() == Some(&StampFault::Absent)
    }

    /// A timestamp in ticks of `period_ns`, with the injected fault.
    pub(super) fn spoilt_stamp(&self, ticks: u64, period_ns: f32) -> u64 {
        match self.stamps.get() {
            Some(StampFault::Zero) => 0,
            Some(StampFault::Coarse) => {
                let step = (65_536.0 / period_ns).max(1.0) as u64;
                ticks / step * step
            }
            Some(StampFault::Absent) | None => ticks,
        }
    }

    /// The source of a kernel, with the injected fault.
    pub(super) fn spoilt_source(&self, kernel: &Kernel, wgsl: String) -> String {
        match self.kernel.get() {
            Some(stem) if stem == kernel.stem => {
                wgsl.replace(" = value; }", " = 1.001 * value; }").replace(", value); }", ", 1.001 * value); }")
            }
            _ => wgsl,
        }
    }

    /// Whether the current allocation is denied.
    pub(super) fn denies_allocation(&self) -> bool {
        let count = |left: u64| left.checked_sub(1);
        let denied = self.allocations.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1);
        DENIED.set(DENIED.get() || denied);
        denied
    }
}

/// Whether an allocation of this thread was denied since the last call.
pub(super) fn take_denied() -> bool {
    DENIED.take()
}
