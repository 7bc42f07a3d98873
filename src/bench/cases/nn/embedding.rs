//! Token and position tables, and their gradients.

use super::part::{Part, Parts, input, output, run};
use crate::bench::operand::enclosed;
use crate::check::cases::normal;
use crate::check::nn::{EPS, verdict, whole, wide};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::embedding::{Backward, Forward, backward, forward};
use crate::reference::Dims;
use crate::reference::nn::embedding as reference;

pub(super) async fn prepare(bench: &mut Bench, b: usize, t: usize, d: usize, v: usize) -> Result<Parts> {
    let (dims, rows) = (Dims { b, t, d }, b * t);
    let tokens = whole(1, rows, v as u32);
    let (token_data, position_data, dx_data) = (normal(1, v * d), normal(2, t * d), normal(3, rows * d));
    let ring = bench.ring(v as u32, &tokens, &tokens)?;
    let (token, position) = (bench.weights(v, d, &token_data)?, bench.weights(t, d, &position_data)?);
    let (x, dx) = (output(bench, rows, d)?, input(bench, rows, d, &dx_data)?);
    let tables = bench.gradients([v, d], [t, d])?;

    let length = t as u32;
    bench.b.program.extend([&token, &position].into_iter().filter_map(|table| table.refresh()));
    let args = Forward { batch: ring.batch(), token: &token, position: &position, length, x: &x.plane };
    forward(&mut bench.b, &args)?;
    let ahead = enclosed(&[], &bench.b.take_program(), &[&x]);
    let args = Backward { batch: ring.batch(), length, positions: length, dx: &dx.plane, tables: &tables.target };
    backward(&mut bench.b, &args)?;
    let back = enclosed(&[&dx], &bench.b.take_program(), &[]);
    run(bench, &ahead).await?;
    run(bench, &back).await?;

    let truth = reference::forward(dims, &tokens, &wide(&token_data), &wide(&position_data));
    let gradient = reference::gradient(dims, v, &tokens, &wide(&dx_data));
    // Rounding of a random walk of at most `rows` steps, relative to its extent.
    let walk = 2.0 * EPS * (rows as f64).sqrt();
    let [d_token, d_position] = bench.read_gradients(&tables).await?;
    let x_verdict = verdict("x", &bench.read(&x.plane).await?, &truth.x, 6.0 * EPS);
    let verdicts = vec![
        verdict("d_token", &d_token, &gradient.d_token, walk),
        verdict("d_position", &d_position, &gradient.d_position, walk),
    ];
    let [stream, both] = [rows * d, (v + t) * d].map(|len| 4.0 * len as f64);
    let parts = vec![
        Part { direction: "forward", program: ahead, verdicts: vec![x_verdict], flops: None, bytes: stream + both },
        Part { direction: "gradient", program: back, verdicts, flops: None, bytes: stream + both },
    ];
    Ok(Parts(parts, Box::new((ring, token, position, x, dx, tables))))
}
