//! Cross-entropy loss of logits, alone and with its gradient.

use super::part::{Part, Parts, input, output, run};
use crate::bench::operand::{Operand, enclosed};
use crate::check::Verdict;
use crate::check::cases::normal;
use crate::check::nn::{EPS, largest, verdict, whole, wide};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::cross_entropy::{Gradient, Loss, forward};
use crate::reference::nn::cross_entropy as reference;

/// Factor of the gradient.
const SCALE: f32 = 0.25;

pub(super) async fn prepare(bench: &mut Bench, m: usize, v: usize) -> Result<Parts> {
    let data = normal(4, m * v);
    let targets = whole(2, m, v as u32);
    let ring = bench.ring(v as u32, &vec![0; m], &targets)?;
    let (logits, dlogits) = (input(bench, m, v, &data)?, output(bench, m, v)?);
    let losses = bench.buffer(&vec![f32::NAN; m])?;
    let truth = reference::forward(m, v, &wide(&data), &targets).loss;
    let dlogits_truth = reference::gradient(m, v, &wide(&data), &targets, SCALE.into()).dlogits;
    // Rounding of logit differences, of the sum and of its logarithm. Terms that matter have exponents below about log V.
    let counts = (v as f64).ln() + 8.0;
    let exp = 2.0 * bench.exp.at(counts);
    let loss_unit = EPS * (16.0 + 2.0 * (v as f64).ln()) + exp;
    let gradient_unit = f64::from(SCALE) * (EPS * (24.0 + 2.0 * (v as f64).ln()) + exp);
    let (logits_bytes, rows_bytes) = (4.0 * (m * v) as f64, 8.0 * m as f64);
    let gradient = Gradient { dlogits: &dlogits.plane, scale: SCALE };
    let mut parts = Vec::new();
    for (direction, planes, gradient) in [("forward", 1.0, None), ("gradient", 2.0, Some(gradient))] {
        let batch = ring.batch();
        forward(&mut bench.b, &Loss { logits: &logits.plane, batch, losses: &losses, accumulate: false, gradient })?;
        let outputs: &[&Operand] = if gradient.is_some() { &[&dlogits] } else { &[] };
        let program = enclosed(&[&logits], &bench.b.take_program(), outputs);
        bench.b.gpu.write(&losses, 0, bytemuck::cast_slice(&vec![f32::NAN; m]))?;
        run(bench, &program).await?;
        let got = bench.floats(&losses, m).await?;
        let of_row = |row: usize| loss_unit * truth[row].abs().max(1.0);
        let mut verdicts = vec![Verdict::of("loss", &got, &truth, largest(&truth), of_row)];
        if gradient.is_some() {
            verdicts.push(verdict("dlogits", &bench.read(&dlogits.plane).await?, &dlogits_truth, gradient_unit));
        }
        parts.push(Part { direction, program, verdicts, flops: None, bytes: planes * logits_bytes + rows_bytes });
    }
    Ok(Parts(parts, Box::new((ring, logits, dlogits, losses))))
}
