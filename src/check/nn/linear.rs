//! y = gelu(x W + bias) + residual, and the gradients of a layer whose input is the output of a GELU.

use super::compare::{Case, EPS, largest, verdict, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::linear::{Backward, Forward, backward, forward};
use crate::reference::nn::linear::{self as reference, Activation, Dims};

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    // Odd sizes; whole tiles; several slices of rows.
    for [m, k, n] in [[65, 33, 130], [64, 64, 256], [2100, 12, 20]] {
        all.push(case(bench, Dims { m, k, n }).await?);
    }
    Ok(all)
}

async fn case(bench: &mut Bench, dims: Dims) -> Result<Case> {
    let Dims { m, k, n } = dims;
    let [x, residual, dy] = [(1, m * k), (4, m * n), (5, m * n)].map(|(stream, len)| normal(stream, len));
    let [w, bias] = [(2, k * n), (3, n)].map(|(stream, len)| normal(stream, len));
    let (skip, before) = (normal(6, m * k), normal(7, m * k));
    let (x64, w64, dy64) = (wide(&x), wide(&w), wide(&dy));
    let truth = reference::forward(dims, Activation::Gelu, &x64, &w64, Some(&wide(&bias)), Some(&wide(&residual)));
    let gradient = reference::gradient(dims, Activation::None, &x64, &w64, &truth.pre, &dy64);
    let slopes = before.iter().map(|&before| reference::gelu_derivative(f64::from(before)));
    let dx_truth: Vec<f64> =
        gradient.dx.iter().zip(slopes).zip(&skip).map(|((dx, slope), skip)| dx * slope + f64::from(*skip)).collect();

    let [y, pre, dx] = [bench.unwritten(m, n)?, bench.unwritten(m, n)?, bench.unwritten(m, k)?];
    let [residual, dy] = [bench.plane(m, n, &residual)?, bench.plane(m, n, &dy)?];
    let [x, skip, before] = [bench.plane(m, k, &x)?, bench.plane(m, k, &skip)?, bench.plane(m, k, &before)?];
    let (w, bias) = (bench.weights(k, n, &w)?, bench.weights(1, n, &bias)?);
    let parameters = bench.gradients([k, n], [1, n])?;
    let args = Forward { x: &x, w: &w, bias: Some(&bias), residual: Some(&residual), y: &y, pre: Some(&pre) };
    forward(&mut bench.b, &args)?;
    let (pre, target) = (Some(&before), &parameters.target);
    let args = Backward { x: &x, w: &w, dy: &dy, pre, skip: Some(&skip), dx: Some(&dx), parameters: target };
    backward(&mut bench.b, &args)?;
    bench.run().await?;

    // Rounding of a sum of `len` products of magnitude `size`. GELU's slope is at most 1.13; its own error is 2.2e-7 of its
    // argument, that of its slope 4e-7, plus that of exp. The partial sums of db are as large as db itself.
    let sum = |len: usize, size: f64| EPS * (4.0 + len as f64 / 16.0) * size;
    let (x_max, w_max, dy_max) = (largest(&x64), largest(&w64), largest(&dy64));
    let gelu = bench.exp.at(10.0);
    let y_tolerance = 1.13 * (sum(k, x_max * w_max) + EPS * largest(&truth.pre))
        + (2.2e-7 + gelu) * largest(&truth.pre)
        + EPS * largest(&truth.y);
    let dx_tolerance = 1.13 * sum(n, dy_max * w_max) + (4e-7 + gelu) * largest(&gradient.dx) + EPS * largest(&dx_truth);
    let [dw, db] = bench.read_gradients(&parameters).await?;
    Ok((
        format!("[{m}, {k}, {n}]"),
        vec![
            verdict("y", &bench.read(&y).await?, &truth.y, y_tolerance),
            verdict("dx", &bench.read(&dx).await?, &dx_truth, dx_tolerance),
            verdict("dw", &dw, &gradient.dw, sum(m, x_max * dy_max)),
            verdict("db", &db, &gradient.db, sum(m, dy_max) + 4.0 * EPS * largest(&gradient.db)),
        ],
    ))
}
