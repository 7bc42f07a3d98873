//! The full check of a device, one line for each form or operation.

use serde::Serialize;

use super::exp::Exponential;
use super::line::Line;
use super::{forms, nn, streams};
use crate::error::Result;
use crate::gpu::Gpu;

/// Check results of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The adapter.
    pub adapter: String,
    /// Accuracy of its exponential.
    pub exp: Exponential,
    /// Results for every form of AFT, causal forms as streams, attention, and the other operations of a model.
    pub forms: Vec<Line>,
    /// Whether all lines passed.
    pub passed: bool,
}

/// Checks a device: every form of AFT with gradients, causal forms as streams, attention, then the other operations of a model.
/// `each` is called with every line as soon as it is ready.
///
/// # Errors
/// [`crate::Error::DeviceLost`], [`crate::Error::OutOfMemory`], [`crate::Error::Rejected`]. A wrong result is not an error: its
/// line does not pass.
pub async fn check(gpu: &Gpu, exp: Exponential, mut each: impl FnMut(&Line)) -> Result<Report> {
    let mut lines = Vec::new();
    for form in forms::table() {
        lines.push(form.check(gpu, exp.error).await?);
        lines.last().into_iter().for_each(&mut each);
    }
    for form in streams::table() {
        lines.push(form.check(gpu, exp.error).await?);
        lines.last().into_iter().for_each(&mut each);
    }
    for causal in [true, false] {
        lines.push(nn::attention::check(gpu, exp.error, causal).await?);
        lines.last().into_iter().for_each(&mut each);
    }
    for op in nn::OPS {
        lines.push(op.check(gpu, exp.error).await?);
        lines.last().into_iter().for_each(&mut each);
    }
    let passed = lines.iter().all(Line::passes);
    Ok(Report { adapter: gpu.caps().adapter.to_string(), exp, forms: lines, passed })
}
