//! Every kernel in use with every specialization, for tests and for whoever compiles them all ahead.

use crate::gpu::{Kernel, Specialization};
use crate::{bench, check, ops};

/// Every kernel that every device runs, with each specialization in use.
pub fn all() -> Vec<(&'static Kernel, Specialization)> {
    let mut all = ops::nn::catalogue();
    all.extend(ops::aft::catalogue());
    all.extend(check::catalogue());
    all.extend(bench::catalogue());
    all
}

/// The kernel that needs more than WebGPU's floor: of a benchmark in half precision.
pub fn half_precision() -> (&'static Kernel, Specialization) {
    bench::half_precision()
}
