//! Sums of squares of a page of gradients, for the global norm (`shaders/nn/gradient_norm.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Specialization, kernel};
use crate::ops::{Builder, trips};

/// Most partial sums of a page.
pub const MAX_PARTIALS: u32 = 1024;

const ROW_GROUP: u32 = 64;

/// Lanes that share a partial sum: for CPUs and for GPUs.
const SUM_LANES: [u32; 2] = [1, 64];

kernel! {
    /// `shaders/nn/gradient_norm.wgsl`.
    struct SumSquaresKernel = "nn/gradient_norm", "sum_squares";
    fragments: ["grid", "row_sum"],
    params: { len: u32, span: u32, spans: u32, offset: u32 },
    operands: {
        read grad: Array<'a, [f32; 4]> = "[N]",
        write partials: Array<'a, f32> = "[P]",
    },
}

/// Operands of the sums.
pub struct SumSquares<'a> {
    /// A page of gradients.
    pub grad: &'a Buffer,
    /// vec4s of the page that hold tensors; the padding between them is zero.
    pub vec4s: u32,
    /// Output: partial sums of squares, stored from `offset` on.
    pub partials: &'a Buffer,
    /// Index of the page's first partial sum.
    pub offset: u32,
}

/// Adds the partial sums of a page, at most [`MAX_PARTIALS`], and returns the offset for the next page.
///
/// The sums overflow if the norm exceeds 1.8e19; the step then counts as not finite.
/// About 8 flops and 16 bytes a vec4.
///
/// # Errors
/// [`crate::Error::Shape`] if the page or `partials` is too small.
pub fn forward(b: &mut Builder, args: &SumSquares<'_>) -> Result<u32> {
    let SumSquares { grad, vec4s, partials, offset } = *args;
    let (span, spans) = plan(vec4s);
    let next = offset + spans;
    check_page("gradient_norm", grad, vec4s)?;
    if partials.size() < 4 * u64::from(next) {
        return Err(Error::shape(
            "gradient_norm: partial sums",
            format!("at least {} bytes", 4 * next),
            partials.size(),
        ));
    }
    // A lane's vec4s, its blocks of 64, and the sum over lanes.
    let trips = |lanes| u64::from(span).div_ceil(lanes) + u64::from(span).div_ceil(64 * lanes) + 6;
    let lanes = trips::lanes(b.tuning().shared_rows, "gradient_norm", &SUM_LANES, trips)?;
    let variant = b.special().with("LANES", lanes);
    let groups = (u64::from(spans) * u64::from(lanes)).div_ceil(ROW_GROUP.into());
    let cost = Cost { flops: 8.0 * f64::from(vec4s), bytes: 16.0 * f64::from(vec4s) };
    let call = SumSquaresKernel { len: vec4s, span, spans, offset, grad: grad.into(), partials: partials.into() };
    b.run(&call, &variant, groups, cost)?;
    Ok(next)
}

/// vec4s of a partial sum, and the number of sums that cover `vec4s`.
fn plan(vec4s: u32) -> (u32, u32) {
    let span = vec4s.div_ceil(MAX_PARTIALS).max(16);
    (span, vec4s.div_ceil(span))
}

/// Fails unless the page holds `vec4s`, at least one.
pub(crate) fn check_page(what: &str, page: &Buffer, vec4s: u32) -> Result<()> {
    if (1..=page.size() / 16).contains(&u64::from(vec4s)) {
        return Ok(());
    }
    Err(Error::shape(format!("{what}: page"), format!("at least {} bytes", 16 * u64::from(vec4s).max(1)), page.size()))
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let variant = |lanes| Specialization::new(placement).with("LANES", lanes);
    SUM_LANES.map(|lanes| (SumSquaresKernel::KERNEL, variant(lanes))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_every_page_and_are_few() {
        for vec4s in [1, 15, 16, 17, 16_384, 16_385, 37_500, 8_388_608, u32::MAX / 16] {
            let (span, spans) = plan(vec4s);
            assert!((1..=MAX_PARTIALS).contains(&spans), "{vec4s}: {spans} sums");
            assert!(span * (spans - 1) < vec4s && u64::from(span) * u64::from(spans) >= u64::from(vec4s), "{vec4s}");
        }
    }
}
