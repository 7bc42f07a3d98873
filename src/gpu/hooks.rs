//! Calls with which tests make a device fail ([`super::inject`]).

use std::sync::atomic::Ordering;

use super::Gpu;
use super::inject::StampFault;

#[doc(hidden)]
impl Gpu {
    /// The `n`-th buffer or texture from now on, counted from 1 over all threads and clones, gets no memory, once; 0
    /// takes that back. What is made then is what a driver without memory leaves: whatever uses it fails.
    pub fn fail_allocation(&self, n: u64) {
        self.injector().allocations.store(n, Ordering::SeqCst);
    }

    /// Timestamps of this device are wrong, once and for all.
    pub fn spoil_stamps(&self, fault: StampFault) {
        let _ = self.injector().stamps.set(fault);
    }

    /// Planes that kernels of `stem` store are off by a thousandth, if they are compiled from now on.
    pub fn spoil_kernel(&self, stem: &str) {
        let _ = self.injector().kernel.set(stem.to_owned());
    }
}
