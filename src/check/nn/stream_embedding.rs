//! Embeddings of the next tokens of a stream, across the end of the ring buffer.

use super::compare::{Case, EPS, verdict, whole, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::cursor::Cursor;
use crate::ops::nn::stream_embedding::{Forward, TokenRing, forward};
use crate::reference::Dims;
use crate::reference::nn::stream_embedding as reference;

const SLOTS: usize = 16;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let (dims, vocabulary) = (Dims { b: 3, t: 13, d: 33 }, 300);
    let Dims { b: sequences, t, d } = dims;
    let (origin, position) = (9, 4);
    let (token, positions) = (normal(1, vocabulary * d), normal(2, (position + t) * d));
    let tokens = whole(3, sequences * t, vocabulary as u32);
    let truth = reference::forward(dims, position, &tokens, &wide(&token), &wide(&positions));

    let mut words = vec![0u32; SLOTS * sequences];
    for (i, &token) in tokens.iter().enumerate() {
        words[(origin + position + i % t) % SLOTS * sequences + i / t] = token;
    }
    let gpu = &bench.b.gpu.clone();
    let buffer = gpu.upload("tokens", &words)?;
    let ring = TokenRing { buffer, slots: SLOTS as u32, sequences: sequences as u32 };
    let here = Cursor { origin: origin as u32, position: position as u32, rows: t as u32, end: 0 };
    let cursor = gpu.upload("cursor", &[here])?;
    let (token, positions) = (bench.weights(vocabulary, d, &token)?, bench.weights(position + t, d, &positions)?);
    let x = bench.unwritten(sequences * t, d)?;
    let (chunk, position) = (t as u32, &positions);
    forward(&mut bench.b, &Forward { chunk, token: &token, position, tokens: &ring, cursor: &cursor, x: &x })?;
    bench.run().await?;
    // One rounding of a sum with terms below 8.
    Ok(vec![(format!("{dims:?}"), vec![verdict("x", &bench.read(&x).await?, &truth, 6.0 * EPS)])])
}
