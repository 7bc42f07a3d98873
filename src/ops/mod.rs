//! Operations: one file a shader stem, forward and gradient together, in the order in which the shader reads. An operation
//! checks shapes, plans, and adds its dispatches to a [`Builder`]'s program; nothing is submitted.

pub mod aft;
mod builder;
mod gradient;
pub mod nn;
mod trips;

pub use builder::Builder;
pub use gradient::Gradient;

use crate::gpu::{Kernel, Specialization};

/// The kernel that needs more than WebGPU's floor: of a benchmark in half precision.
pub fn half_precision() -> (&'static Kernel, Specialization) {
    crate::bench::half_precision()
}

/// Every kernel with each set of constants in use, for the tests that compile them all.
pub fn catalogue() -> Vec<(&'static Kernel, Specialization)> {
    let mut all = nn::catalogue();
    all.extend(aft::catalogue());
    all.extend(crate::check::catalogue());
    all.extend(crate::bench::catalogue());
    all
}
