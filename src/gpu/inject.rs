//! Faults on purpose: tests see with them how everything behind an allocation takes one that fails, and what becomes of times
//! and results where clocks or kernels are wrong.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Kernel;

thread_local! {
    /// Whether an allocation of this thread was denied; an error scope belongs to a thread, too.
    static DENIED: Cell<bool> = const { Cell::new(false) };
}

/// What goes wrong on a device.
#[derive(Debug, Default)]
pub(super) struct Injector {
    /// Allocations up to the one that is denied; 0 if none will be.
    pub(super) allocations: AtomicU64,
    pub(super) stamps: OnceLock<StampFault>,
    /// Stem of the kernel that stores wrong values.
    pub(super) kernel: OnceLock<String>,
}

/// What is wrong with a device's timestamps.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampFault {
    /// There are none.
    Absent,
    /// All are zero.
    Zero,
    /// They come in steps of 65,536 ns.
    Coarse,
}

impl Injector {
    /// Whether timestamps count as not granted.
    pub(super) fn hides_stamps(&self) -> bool {
        self.stamps.get() == Some(&StampFault::Absent)
    }

    /// A timestamp in ticks of `period_ns`, as a fault leaves it.
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

    /// The text of a kernel, as a fault leaves it.
    pub(super) fn spoilt_source(&self, kernel: &Kernel, wgsl: String) -> String {
        match self.kernel.get() {
            Some(stem) if stem == kernel.stem => {
                wgsl.replace(" = value; }", " = 1.001 * value; }").replace(", value); }", ", 1.001 * value); }")
            }
            _ => wgsl,
        }
    }

    /// Whether the allocation under way is denied.
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
