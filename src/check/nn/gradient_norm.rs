//! The norm of all gradients, from partial sums of squares.

use super::compare::{Case, EPS, verdict, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::gradient_norm::{MAX_PARTIALS, SumSquares, forward};
use crate::reference::nn::gradient_norm as reference;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let grad = normal(1, 4 * 16_385);
    let truth = reference::norm(&[&wide(&grad)]);
    let vec4s = grad.len() as u32 / 4;
    let (grad, partials) = (bench.buffer(&grad)?, bench.buffer(&vec![f32::NAN; MAX_PARTIALS as usize])?);
    let count = forward(&mut bench.b, &SumSquares { grad: &grad, vec4s, partials: &partials, offset: 0 })?;
    bench.run().await?;
    let partials = bench.floats(&partials, count as usize).await?;
    let norm = partials.iter().map(|p| f64::from(*p)).sum::<f64>().sqrt() as f32;
    // Sums of positive squares in blocks of 64 have at most 64 + 64 roundings.
    Ok(vec![(format!("{vec4s} vec4s"), vec![verdict("norm", &[norm], &[truth], 64.0 * EPS * truth)])])
}
