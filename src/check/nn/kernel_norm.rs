//! The re-parameterised kernel of AFT-conv (Eq. 8), and the gradients of raw, gamma and beta.

use super::compare::{Case, EPS, largest, verdict, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::gpu::Weights;
use crate::ops::Gradient;
use crate::ops::aft::kernel_norm::{Normed, backward, forward};
use crate::reference::aft::kernel_norm as reference;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    let [heads, taps] = [6, 25];
    let raw = normal(1, heads * taps);
    let (gamma, beta) = (normal(2, heads), normal(3, heads));
    all.push(case(bench, "normal kernels", &raw, &gamma, &beta).await?);
    let offset: Vec<f32> = raw.iter().map(|tap| 10.0 + tap).collect();
    all.push(case(bench, "kernels of mean 10", &offset, &gamma, &beta).await?);
    all.push(case(bench, "kernels of deviation 0", &vec![0.375; heads * taps], &gamma, &beta).await?);
    all.push(case(bench, "gamma = beta = 0", &raw, &vec![0.0; heads], &vec![0.0; heads]).await?);
    Ok(all)
}

async fn case(bench: &mut Bench, name: &str, raw: &[f32], gamma: &[f32], beta: &[f32]) -> Result<Case> {
    let (heads, taps) = (gamma.len(), raw.len() / gamma.len());
    let padded = taps.next_multiple_of(4);
    let dtaps = normal(4, raw.len());
    let w = reference::forward(&wide(raw), &wide(gamma), &wide(beta));
    let gradient = reference::gradient(&wide(raw), &wide(gamma), &wide(&dtaps));

    let parameters = bench.page([([heads, taps], raw), ([1, heads], gamma), ([1, heads], beta)])?;
    let [raw_weights, gamma_weights, beta_weights] = &parameters;
    let normed = Normed { raw: raw_weights, gamma: gamma_weights, beta: beta_weights };
    let out = bench.buffer(&vec![f32::NAN; heads * padded])?;
    forward(&mut bench.b, &normed, &out)?;
    let mut rows = vec![0.0; heads * padded];
    for (to, from) in rows.chunks_mut(padded).zip(dtaps.chunks(taps)) {
        to[..taps].copy_from_slice(from);
    }
    let rows = bench.buffer(&rows)?;
    let end = beta_weights.offset_bytes + beta_weights.size_bytes();
    let page = bench.buffer(&vec![f32::NAN; end as usize / 4])?;
    let target = Gradient::of(&page, raw_weights, Some(gamma_weights), false)?;
    backward(&mut bench.b, &normed, &rows, &target)?;
    bench.run().await?;

    let out = bench.floats(&out, heads * padded).await?;
    let out: Vec<f32> = out.chunks(padded).flat_map(|row| &row[..taps]).copied().collect();
    let page = bench.floats(&page, end as usize / 4).await?;
    let part = |w: &Weights| w.unpad(&page[w.offset_bytes as usize / 4..][..w.size_bytes() as usize / 4]);
    // Rounding of the mean, relative to the standard deviation, and of sums of `taps` products.
    let spread = smallest_spread(raw, taps);
    let unit = EPS * (8.0 + taps as f64 / 4.0 + 4.0 * largest(&wide(raw)) / spread);
    let size = largest(&wide(gamma)) + largest(&wide(beta));
    let steep = largest(&wide(&dtaps)) * (1.0 + largest(&wide(gamma)) / spread);
    Ok((
        name.into(),
        vec![
            verdict("w", &out, &w, unit * size + 1e-36),
            verdict("draw", &part(raw_weights), &gradient.draw, unit * 8.0 * steep),
            verdict("dgamma", &part(gamma_weights), &gradient.dgamma, unit * taps as f64 * largest(&wide(&dtaps))),
            verdict("dbeta", &part(beta_weights), &gradient.dbeta, unit * taps as f64 * largest(&wide(&dtaps))),
        ],
    ))
}

/// The smallest non-zero standard deviation of a head; 1 if there is none.
fn smallest_spread(raw: &[f32], taps: usize) -> f64 {
    let spread = |head: &[f32]| {
        let mean = wide(head).iter().sum::<f64>() / taps as f64;
        (head.iter().map(|tap| (f64::from(*tap) - mean).powi(2)).sum::<f64>() / taps as f64).sqrt()
    };
    let smallest = raw.chunks(taps).map(spread).filter(|spread| *spread > 1e-6).fold(f64::INFINITY, f64::min);
    if smallest.is_finite() { smallest } else { 1.0 }
}
