//! y = x W + bias and its gradients, compared with the reference in some rows and columns.

use super::part::{Part, Parts, input, output, run};
use crate::bench::operand::enclosed;
use crate::check::cases::normal;
use crate::check::nn::{EPS, largest, verdict, wide};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::linear::{Backward, Forward, backward, forward};
use crate::reference::nn::linear::{self as reference, Activation, Dims};

/// Number of rows or columns that are checked.
const SAMPLED: usize = 8;

pub(super) async fn prepare(bench: &mut Bench, m: usize, k: usize, n: usize) -> Result<Parts> {
    let [x_data, dy_data] = [(1, m * k), (5, m * n)].map(|(stream, len)| normal(stream, len));
    let [w_data, bias_data] = [(2, k * n), (3, n)].map(|(stream, len)| normal(stream, len));
    let (x, dy) = (input(bench, m, k, &x_data)?, input(bench, m, n, &dy_data)?);
    let (y, dx) = (output(bench, m, n)?, output(bench, m, k)?);
    let (w, bias) = (bench.weights(k, n, &w_data)?, bench.weights(1, n, &bias_data)?);
    let parameters = bench.gradients([k, n], [1, n])?;

    let mut programs = Vec::new();
    bench.b.program.extend([&w, &bias].into_iter().filter_map(|weights| weights.refresh()));
    let args = Forward { x: &x.plane, w: &w, bias: Some(&bias), residual: None, y: &y.plane, pre: None };
    forward(&mut bench.b, &args)?;
    programs.push(enclosed(&[&x], &bench.b.take_program(), &[&y]));
    bench.b.program.extend(w.refresh());
    let (x_plane, dx_plane, target) = (&x.plane, Some(&dx.plane), &parameters.target);
    let args = Backward { x: x_plane, w: &w, dy: &dy.plane, pre: None, skip: None, dx: dx_plane, parameters: target };
    backward(&mut bench.b, &args)?;
    programs.push(enclosed(&[&x, &dy], &bench.b.take_program(), &[&dx]));
    for program in &programs {
        run(bench, program).await?;
    }

    // Checks some rows of y and dx, and dW and db for some inputs. Each is a separate product.
    let rows = spread(m);
    let some = |data: &[f32], cols: usize| {
        rows.iter().flat_map(|row| &data[row * cols..][..cols]).copied().collect::<Vec<_>>()
    };
    let [x_rows, dy_rows] = [(&x_data, k), (&dy_data, n)].map(|(data, cols)| wide(&some(data, cols)));
    let (w64, bias64) = (wide(&w_data), wide(&bias_data));
    let few = Dims { m: rows.len(), k, n };
    let y_truth = reference::forward(few, Activation::None, &x_rows, &w64, Some(&bias64), None).y;
    let dx_truth = reference::gradient(few, Activation::None, &x_rows, &w64, &y_truth, &dy_rows).dx;
    let inputs = spread(k);
    let columns: Vec<f64> = x_data.chunks(k).flat_map(|row| inputs.iter().map(|&i| f64::from(row[i]))).collect();
    let (few, none) = (Dims { m, k: inputs.len(), n }, vec![0.0; m * n]);
    let of_some =
        reference::gradient(few, Activation::None, &columns, &vec![0.0; inputs.len() * n], &none, &wide(&dy_data));
    let [dw, db] = bench.read_gradients(&parameters).await?;
    let dw: Vec<f32> = inputs.iter().flat_map(|&i| &dw[i * n..][..n]).copied().collect();

    // Rounding of blockwise sums. The partial sums of db are as large as db itself.
    let sum = |len: usize, size: f64| EPS * (4.0 + len as f64 / 16.0) * size;
    let (x_max, w_max, dy_max) = (largest(&wide(&x_data)), largest(&w64), largest(&wide(&dy_data)));
    let (y_got, dx_got) = (some(&bench.read(&y.plane).await?, n), some(&bench.read(&dx.plane).await?, k));
    let ahead = vec![verdict("y", &y_got, &y_truth, sum(k, x_max * w_max))];
    let back = vec![
        verdict("dx", &dx_got, &dx_truth, sum(n, dy_max * w_max)),
        verdict("dw", &dw, &of_some.dw, sum(m, x_max * dy_max)),
        verdict("db", &db, &of_some.db, sum(m, dy_max) + 4.0 * EPS * largest(&of_some.db)),
    ];
    let [xs, ws, ys] = [m * k, k * n, m * n].map(|len| 4.0 * len as f64);
    let flops = 2.0 * m as f64 * k as f64 * n as f64;
    let [forward, backward] = <[_; 2]>::try_from(programs).unwrap_or_default();
    let parts = vec![
        Part { direction: "forward", program: forward, verdicts: ahead, flops: Some(flops), bytes: xs + ws + ys },
        Part {
            direction: "gradient",
            program: backward,
            verdicts: back,
            flops: Some(2.0 * flops),
            bytes: 2.0 * (xs + ws) + ys,
        },
    ];
    Ok(Parts(parts, Box::new((x, dy, y, dx, w, bias, parameters))))
}

/// Evenly spaced indices below `len`, including the first and the last.
fn spread(len: usize) -> Vec<usize> {
    (0..SAMPLED).map(|i| i * (len - 1) / (SAMPLED - 1)).collect()
}
