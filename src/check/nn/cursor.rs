//! The position of a stream after each pass: a prompt, its continuation, and the restart when all positions are used.

use super::compare::{Case, verdict};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::cursor::{Cursor, Open, open};
use crate::random::below;
use crate::reference::nn::cursor as reference;

const PASSES: u32 = 40;
const LENGTH: u32 = 8;
const KEEP: u32 = 4;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mut truth = reference::Cursor::default();
    let mut here = Cursor::default();
    let buffer = bench.b.gpu.upload("cursor", &[here])?;
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for pass in 0..PASSES {
        let random = |site, bound: u64| below([pass, site, 0x6375_7273, 0], bound) as u32;
        // Each pass has at least one token to read.
        let more = 1 + random(0, 3);
        (truth.end, here.end) = (truth.end + u64::from(more), here.end + more);
        let (chunk, leave, made) = (1 + random(1, 5), random(2, 2), random(3, 2));
        bench.b.gpu.write(&buffer, 0, bytemuck::bytes_of(&here))?;
        open(&mut bench.b, &buffer, &Open { chunk, leave, made, length: LENGTH, keep: KEEP })?;
        bench.run().await?;
        let [chunk, leave, made, length, keep] = [chunk, leave, made, LENGTH, KEEP].map(u64::from);
        let (position, rows) = truth.open(&reference::Open { chunk, leave, made, length, keep });
        for cursor in bench.b.gpu.read::<Cursor>(&buffer, 0, size_of::<Cursor>() as u64).await? {
            got.extend([cursor.origin, cursor.position, cursor.rows, cursor.end].map(|word| word as f32));
            here = cursor;
        }
        expected.extend([truth.origin, position, rows, truth.end].map(|word| word as f64));
    }
    // Words below 2^24 are exact in f32.
    Ok(vec![(format!("{PASSES} passes"), vec![verdict("cursor", &got, &expected, 0.5)])])
}
