//! Token and position tables, and their gradients.

use super::compare::{Case, EPS, verdict, whole, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::embedding::{Backward, Forward, backward, forward};
use crate::reference::Dims;
use crate::reference::nn::embedding as reference;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let (dims, vocabulary) = (Dims { b: 3, t: 65, d: 33 }, 300);
    let Dims { b: batch, t, d } = dims;
    let (rows, tokens_len) = (batch * t, vocabulary as usize);
    let tokens = whole(1, rows, vocabulary);
    let (token, position, dx) = (normal(1, tokens_len * d), normal(2, t * d), normal(3, rows * d));
    let truth = reference::forward(dims, &tokens, &wide(&token), &wide(&position));
    let gradient = reference::gradient(dims, tokens_len, &tokens, &wide(&dx));

    let ring = bench.ring(vocabulary, &tokens, &tokens)?;
    let (token, position) = (bench.weights(tokens_len, d, &token)?, bench.weights(t, d, &position)?);
    let (x, dx) = (bench.unwritten(rows, d)?, bench.plane(rows, d, &dx)?);
    let tables = bench.gradients([tokens_len, d], [t, d])?;
    let (length, target) = (t as u32, &tables.target);
    forward(&mut bench.b, &Forward { batch: ring.batch(), token: &token, position: &position, length, x: &x })?;
    let args = Backward { batch: ring.batch(), length, positions: length, dx: &dx, tables: target };
    backward(&mut bench.b, &args)?;
    bench.run().await?;

    // Rounding of a random walk of at most `rows` steps, relative to its extent.
    let walk = 2.0 * EPS * (rows as f64).sqrt();
    let [d_token, d_position] = bench.read_gradients(&tables).await?;
    Ok(vec![(
        format!("{dims:?}"),
        vec![
            verdict("x", &bench.read(&x).await?, &truth.x, 6.0 * EPS),
            verdict("d_token", &d_token, &gradient.d_token, walk),
            verdict("d_position", &d_position, &gradient.d_position, walk),
        ],
    )])
}
