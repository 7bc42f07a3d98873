//! Hooks for tests that make a device fail ([`super::inject`]).

use std::sync::atomic::Ordering;

use super::Gpu;
use super::inject::StampFault;

#[doc(hidden)]
impl Gpu {
    /// Denies memory to the `n`-th buffer or texture from now on, once; 0 cancels this. Counts from 1, over all threads
    /// and clones. As with a driver that is out of memory, an invalid object is made, and its users fail.
    pub fn fail_allocation(&self, n: u64) {
        self.injector().allocations.store(n, Ordering::SeqCst);
    }

    /// Makes all timestamps of this device wrong. Cannot be undone.
    pub fn spoil_stamps(&self, fault: StampFault) {
        let _ = self.injector().stamps.set(fault);
    }

    /// Makes kernels of `stem` compiled from now on store planes that are off by a thousandth.
    pub fn spoil_kernel(&self, stem: &str) {
        let _ = self.injector().kernel.set(stem.to_owned());
    }
}
