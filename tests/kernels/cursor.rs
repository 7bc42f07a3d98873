//! `nn/cursor`: where a stream is, after passes of all kinds.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::cursor::{Cursor, Open, open};
use aft_wgpu::random::below;
use aft_wgpu::reference::nn::cursor as reference;
use libtest_mimic::Trial;
use pollster::block_on;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "cursor::passes_of_all_kinds", |gpu| {
            for length in [1, 2, 3, 8, 100] {
                walk(gpu, length, 0);
            }
        }),
        // Tokens are counted modulo 2^32.
        trial(gpu, "cursor::streams_of_more_than_2_to_32_tokens", |gpu| walk(gpu, 8, (1 << 32) - 20)),
        trial(gpu, "cursor::what_makes_no_sense_is_refused", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let buffer = gpu.upload("test", &[Cursor::default()]).unwrap();
            let pass = Open { chunk: 1, leave: 0, made: 0, length: 4, keep: 2 };
            assert!(open(b, &buffer, &Open { length: 0, keep: 0, ..pass }).is_err());
            assert!(open(b, &buffer, &Open { keep: 5, ..pass }).is_err());
            assert!(b.program.commands().is_empty());
        }),
    ]
}

/// A hundred passes of random kinds, with a token more wherever there is none to read.
fn walk(gpu: &Gpu, length: u32, start: u64) {
    let keep = (length / 2).max(1);
    let mut truth = reference::Cursor { origin: start, read: start, end: start };
    let b = &mut Builder::new(gpu, Placement::Buffer);
    let buffer = gpu.storage("test", 16).unwrap();
    let mut here = Cursor { origin: start as u32, position: 0, rows: 0, end: start as u32 };
    for i in 0..100 {
        let random = |bound: u64, site| below([i, length, site, 7], bound) as u32;
        if truth.read == truth.end || random(3, 0) == 0 {
            let more = 1 + u64::from(random(3, 1));
            truth.end += more;
            here.end = here.end.wrapping_add(more as u32);
        }
        let pass = Open { chunk: 1 + random(5, 2), leave: random(2, 3), made: random(2, 4), length, keep };
        gpu.write(&buffer, 0, bytemuck::bytes_of(&here)).unwrap();
        open(b, &buffer, &pass).unwrap();
        run(b);
        let (position, rows) = truth.open(&reference::Open {
            chunk: pass.chunk.into(),
            leave: pass.leave.into(),
            made: pass.made.into(),
            length: length.into(),
            keep: keep.into(),
        });
        here = block_on(gpu.read::<Cursor>(&buffer, 0, 16)).unwrap()[0];
        let expected =
            Cursor { origin: truth.origin as u32, position: position as u32, rows: rows as u32, end: truth.end as u32 };
        assert_eq!(here, expected, "pass {i} of {pass:?}");
    }
}
