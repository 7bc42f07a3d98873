//! Cross-entropy loss of rows of logits, and its gradient.

use super::compare::{Case, EPS, largest, verdict, whole, wide};
use crate::check::cases::normal;
use crate::check::judge::Verdict;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::cross_entropy::{Gradient, Loss, forward};
use crate::reference::nn::cross_entropy as reference;

/// Factor of the gradient.
const SCALE: f32 = 0.25;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    for [m, v] in [[130, 129], [64, 256]] {
        for size in [1.0, 40.0] {
            all.push(case(bench, m, v, size).await?);
        }
    }
    Ok(all)
}

async fn case(bench: &mut Bench, m: usize, v: usize, size: f32) -> Result<Case> {
    let logits: Vec<f32> = normal(4, m * v).iter().map(|x| size * x).collect();
    let targets = whole(2, m, v as u32);
    let truth = reference::forward(m, v, &wide(&logits), &targets).loss;
    let gradient = reference::gradient(m, v, &wide(&logits), &targets, SCALE.into()).dlogits;

    let ring = bench.ring(v as u32, &vec![0; m], &targets)?;
    let (logits, dlogits) = (bench.plane(m, v, &logits)?, bench.unwritten(m, v)?);
    let losses = bench.buffer(&vec![f32::NAN; m])?;
    let store = Some(Gradient { dlogits: &dlogits, scale: SCALE });
    let args = Loss { logits: &logits, batch: ring.batch(), losses: &losses, accumulate: false, gradient: store };
    forward(&mut bench.b, &args)?;
    bench.run().await?;

    // Rounding of logit differences, of the sum and of its logarithm. Terms that matter have exponents below about log V.
    let counts = (v as f64).ln() + 8.0;
    let exp = 2.0 * bench.exp.at(counts);
    let loss_unit = EPS * (16.0 + 2.0 * (v as f64).ln()) + exp;
    let gradient_unit = f64::from(SCALE) * (EPS * (24.0 + 2.0 * (v as f64).ln()) + exp);
    let losses = bench.floats(&losses, m).await?;
    Ok((
        format!("[{m}, {v}] of size {size}"),
        vec![
            Verdict::of("loss", &losses, &truth, largest(&truth), |row| loss_unit * truth[row].abs().max(1.0)),
            verdict("dlogits", &bench.read(&dlogits).await?, &gradient, gradient_unit),
        ],
    ))
}
