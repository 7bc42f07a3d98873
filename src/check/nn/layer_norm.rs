//! Layer normalisation, and the gradients of its input and parameters.

use super::compare::{Case, EPS, largest, verdict, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::layer_norm::{Backward, Forward, backward, forward, stats_bytes};
use crate::reference::nn::layer_norm as reference;

const NORM_EPS: f32 = 1e-5;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    for [rows, cols] in [[65, 33], [513, 64]] {
        all.push(case(bench, rows, cols).await?);
    }
    Ok(all)
}

async fn case(bench: &mut Bench, rows: usize, cols: usize) -> Result<Case> {
    let [x, dy] = [1, 7].map(|stream| normal(stream, rows * cols));
    let [gamma, beta] = [5, 6].map(|stream| normal(stream, cols));
    let (x64, gamma64) = (wide(&x), wide(&gamma));
    let truth = reference::forward(rows, cols, NORM_EPS.into(), &x64, &gamma64, &wide(&beta));
    let gradient = reference::gradient(rows, cols, NORM_EPS.into(), &x64, &gamma64, &wide(&dy));

    let [y, dx] = [bench.unwritten(rows, cols)?, bench.unwritten(rows, cols)?];
    let [x, dy] = [bench.plane(rows, cols, &x)?, bench.plane(rows, cols, &dy)?];
    let [gamma, beta] = [bench.weights(1, cols, &gamma)?, bench.weights(1, cols, &beta)?];
    let stats = bench.b.gpu.storage("stats", stats_bytes(rows as u32))?;
    let affine = bench.gradients([1, cols], [1, cols])?;
    let args = Forward { x: &x, gamma: &gamma, beta: &beta, eps: NORM_EPS, y: &y, stats: &stats };
    forward(&mut bench.b, &args)?;
    let target = &affine.target;
    let args = Backward { x: &x, dy: &dy, skip: None, gamma: &gamma, stats: &stats, dx: &dx, affine: target };
    backward(&mut bench.b, &args)?;
    bench.run().await?;

    // Rounding grows with the ratio of a row's magnitude to its deviation. Sums over rows round relative to their partial sums.
    let sharpness = 1.0 + largest(&x64) * largest(&truth.rstd) / 4.0;
    let unit = 4.0 * EPS * sharpness;
    let [dgamma, dbeta] = bench.read_gradients(&affine).await?;
    let dgamma_tolerance = unit * largest(&gradient.dgamma).max((rows as f64).sqrt());
    Ok((
        format!("[{rows}, {cols}]"),
        vec![
            verdict("y", &bench.read(&y).await?, &truth.y, unit * largest(&truth.y).max(1.0)),
            verdict("dx", &bench.read(&dx).await?, &gradient.dx, unit * largest(&gradient.dx).max(4.0)),
            verdict("dgamma", &dgamma, &gradient.dgamma, dgamma_tolerance),
            verdict("dbeta", &dbeta, &gradient.dbeta, 4.0 * EPS * largest(&gradient.dbeta)),
        ],
    ))
}
