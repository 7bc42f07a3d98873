//! `nn/stream_embedding`: any part of a sequence, from any place of the ring.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::cursor::Cursor;
use aft_wgpu::ops::nn::stream_embedding::{Forward, TokenRing, forward};
use aft_wgpu::reference::Dims;
use aft_wgpu::reference::nn::stream_embedding as reference;
use libtest_mimic::Trial;
use pollster::block_on;

use crate::common::*;
use crate::training::whole;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "stream_embedding::odd_shapes_at_any_place", |gpu| {
            let cases = [(1, 1, 1, 0, 0), (2, 3, 5, 4, 9), (3, 13, 33, 2, 14), (2, 6, 64, 1, u32::MAX - 2)];
            for (n, t, d, position, origin) in cases {
                for placement in PLACEMENTS {
                    check(gpu, placement, Dims { b: n, t, d }, position, origin);
                }
            }
        }),
        trial(gpu, "stream_embedding::shapes_are_checked", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let (table, x) = (weights(b, 2, 4, &[0.0; 8]), unwritten(b, 6, 4));
            let cursor = &gpu.upload("test", &[Cursor::default()]).unwrap();
            let mut refused = |slots, sequences, chunk| {
                let tokens = &TokenRing { buffer: gpu.storage("test", 64).unwrap(), slots, sequences };
                forward(b, &Forward { chunk, token: &table, position: &table, tokens, cursor, x: &x }).is_err()
            };
            assert_eq!(
                [refused(8, 2, 3), refused(7, 2, 3), refused(16, 2, 3), refused(8, 2, 4)],
                [false, true, true, true]
            );
        }),
    ]
}

/// A pass with room for two rows more than it reads.
fn check(gpu: &Gpu, placement: Placement, dims: Dims, position: u32, origin: u32) {
    let Dims { b: n, t, d } = dims;
    let (vocabulary, slots, chunk) = (9, 16, t + 2);
    let b = &mut Builder::new(gpu, placement);
    let (table, positions) = (normal(1, vocabulary * d), normal(2, (t + 6) * d));
    let tokens = whole(3, n * t, vocabulary as u32);
    let mut ring = vec![0u32; slots * n];
    for (i, &token) in tokens.iter().enumerate() {
        let number = origin.wrapping_add(position).wrapping_add((i % t) as u32);
        ring[number as usize % slots * n + i / t] = token;
    }
    let here = Cursor { origin, position, rows: t as u32, end: 0 };
    let cursor = gpu.upload("test", &[here]).unwrap();
    let ring = TokenRing { buffer: gpu.upload("test", &ring).unwrap(), slots: slots as u32, sequences: n as u32 };
    let x = unwritten(b, n * chunk, d);
    let args = Forward {
        chunk: chunk as u32,
        token: &weights(b, vocabulary, d, &table),
        position: &weights(b, t + 6, d, &positions),
        tokens: &ring,
        cursor: &cursor,
        x: &x,
    };
    forward(b, &args).unwrap();
    run(b);
    let expected = reference::forward(dims, position as usize, &tokens, &f64s(&table), &f64s(&positions));
    let width = 4 * x.stride() as usize;
    let mut actual = Vec::new();
    for (row, values) in block_on(x.read_padded(gpu)).unwrap().chunks(width).enumerate() {
        if row % chunk < t {
            assert!(values[d..].iter().all(|v| *v == 0.0), "padding of a row is not zero: {values:?}");
            actual.extend_from_slice(&values[..d]);
        } else {
            assert!(values.iter().all(|v| v.is_nan()), "row {row} was written");
        }
    }
    // One rounding of a sum of numbers below 8.
    assert_close("x", &actual, &expected, 1e-6);
}
