//! Shared by the tests of AFT over streams: a case, read in chunks.

use aft_wgpu::gpu::{Buffer, Plane};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::ops::nn::cursor::Cursor;
use aft_wgpu::reference::Dims;
use pollster::block_on;

use crate::aft_common::Case;
use crate::common::*;

/// The operands of a pass that every variant has.
pub struct Pass<'a> {
    pub sequences: u32,
    pub chunk: u32,
    pub qkv: &'a Plane,
    pub cursor: &'a Buffer,
    pub y: &'a Plane,
}

/// Ways to cut `t` tokens into chunks: equal ones, all at once, and of any size.
pub fn chunkings(t: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<_> = [1, 2, 3, 7, 64, t].iter().map(|&chunk| equal(t, chunk)).collect();
    let mut mixed = Vec::new();
    let mut left = t;
    while left > 0 {
        let chunk = (1 + mixed.len() * 5 % 13).min(left);
        mixed.push(chunk);
        left -= chunk;
    }
    all.push(mixed);
    all
}

/// `t` tokens in chunks of `chunk`, and the rest.
pub fn equal(t: usize, chunk: usize) -> Vec<usize> {
    (0..t).step_by(chunk).map(|first| chunk.min(t - first)).collect()
}

/// y [B, T, D] of a case that is read in chunks, by the one dispatch that `add` makes. Rows of the planes that a pass does not
/// have are hostile, and must stay as they are.
pub fn read_in_chunks(
    b: &mut Builder,
    case: &Case,
    chunks: &[usize],
    add: impl FnOnce(&mut Builder, &Pass<'_>),
) -> Vec<f32> {
    let Dims { b: sequences, t, d } = case.dims;
    let chunk = *chunks.iter().max().unwrap();
    let rows = sequences * chunk;
    let cols = qkv_cols(d as u32) as usize;
    let qkv = plane(b, rows, cols, &vec![0.0; rows * cols]);
    let cursor = b.gpu.upload("cursor", &[Cursor::default()]).unwrap();
    let y = unwritten(b, rows, d);
    add(b, &Pass { sequences: sequences as u32, chunk: chunk as u32, qkv: &qkv, cursor: &cursor, y: &y });
    let program = b.take_program();
    let packed = case.packed([&case.q, &case.k, &case.v]);
    let mut all = vec![0.0; case.rows() * d];
    let mut position = 0;
    for &count in chunks {
        let mut given = vec![1e5; rows * cols];
        for n in 0..sequences {
            let from = &packed[(n * t + position) * cols..][..count * cols];
            given[n * chunk * cols..][..count * cols].copy_from_slice(from);
        }
        qkv.write(&b.gpu, &given).unwrap();
        y.fill(&b.gpu, f32::NAN).unwrap();
        let here = Cursor { origin: 0, position: position as u32, rows: count as u32, end: t as u32 };
        b.gpu.write(&cursor, 0, bytemuck::bytes_of(&here)).unwrap();
        let mut encoder = b.gpu.device().create_command_encoder(&Default::default());
        program.record(&mut encoder);
        b.gpu.queue().submit([encoder.finish()]);
        let width = 4 * y.stride() as usize;
        for (row, values) in block_on(y.read_padded(&b.gpu)).unwrap().chunks(width).enumerate() {
            let (n, i) = (row / chunk, row % chunk);
            if i < count {
                all[(n * t + position + i) * d..][..d].copy_from_slice(&values[..d]);
                assert!(values[d..].iter().all(|v| *v == 0.0), "padding of a row is not zero: {values:?}");
            } else {
                assert!(values.iter().all(|v| v.is_nan()), "row {i} of a pass of {count} was written");
            }
        }
        position += count;
    }
    all
}
