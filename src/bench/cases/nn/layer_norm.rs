//! Layer normalisation and its gradient.

use super::part::{Part, Parts, input, output, run};
use crate::bench::operand::enclosed;
use crate::check::cases::normal;
use crate::check::nn::{EPS, largest, verdict, wide};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::layer_norm::{Backward, Forward, backward, forward, stats_bytes};
use crate::reference::nn::layer_norm as reference;

const NORM_EPS: f32 = 1e-5;

pub(super) async fn prepare(bench: &mut Bench, rows: usize, cols: usize) -> Result<Parts> {
    let [x_data, dy_data] = [1, 7].map(|stream| normal(stream, rows * cols));
    let [gamma_data, beta_data] = [5, 6].map(|stream| normal(stream, cols));
    let (x, dy) = (input(bench, rows, cols, &x_data)?, input(bench, rows, cols, &dy_data)?);
    let (y, dx) = (output(bench, rows, cols)?, output(bench, rows, cols)?);
    let [gamma, beta] = [bench.weights(1, cols, &gamma_data)?, bench.weights(1, cols, &beta_data)?];
    let stats = bench.b.gpu.storage("stats", stats_bytes(rows as u32))?;
    let affine = bench.gradients([1, cols], [1, cols])?;

    let args = Forward { x: &x.plane, gamma: &gamma, beta: &beta, eps: NORM_EPS, y: &y.plane, stats: &stats };
    forward(&mut bench.b, &args)?;
    let ahead = enclosed(&[&x], &bench.b.take_program(), &[&y]);
    let (x_plane, dx_plane, target) = (&x.plane, &dx.plane, &affine.target);
    let args =
        Backward { x: x_plane, dy: &dy.plane, skip: None, gamma: &gamma, stats: &stats, dx: dx_plane, affine: target };
    backward(&mut bench.b, &args)?;
    let back = enclosed(&[&x, &dy], &bench.b.take_program(), &[&dx]);
    run(bench, &ahead).await?;
    run(bench, &back).await?;

    let (x64, gamma64) = (wide(&x_data), wide(&gamma_data));
    let truth = reference::forward(rows, cols, NORM_EPS.into(), &x64, &gamma64, &wide(&beta_data));
    let gradient = reference::gradient(rows, cols, NORM_EPS.into(), &x64, &gamma64, &wide(&dy_data));
    // Rounding grows with the ratio of a row's magnitude to its deviation. Sums over rows round relative to their partial sums.
    let unit = 4.0 * EPS * (1.0 + largest(&x64) * largest(&truth.rstd) / 4.0);
    let [dgamma, dbeta] = bench.read_gradients(&affine).await?;
    let walk = (rows as f64).sqrt();
    let verdicts = [
        vec![verdict("y", &bench.read(&y.plane).await?, &truth.y, unit * largest(&truth.y).max(1.0))],
        vec![
            verdict("dx", &bench.read(&dx.plane).await?, &gradient.dx, unit * largest(&gradient.dx).max(4.0)),
            verdict("dgamma", &dgamma, &gradient.dgamma, unit * largest(&gradient.dgamma).max(walk)),
            verdict("dbeta", &dbeta, &gradient.dbeta, 4.0 * EPS * largest(&gradient.dbeta)),
        ],
    ];
    let [ahead_verdicts, back_verdicts] = verdicts;
    let bytes = 4.0 * (rows * cols) as f64;
    let parts = vec![
        Part { direction: "forward", program: ahead, verdicts: ahead_verdicts, flops: None, bytes: 2.0 * bytes },
        Part { direction: "gradient", program: back, verdicts: back_verdicts, flops: None, bytes: 3.0 * bytes },
    ];
    Ok(Parts(parts, Box::new((x, dy, y, dx, gamma, beta, stats, affine))))
}
