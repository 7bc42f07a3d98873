//! `aft/simple_stream`: any chunks give what the whole sequence gives.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::simple_stream::{Forward, forward};
use aft_wgpu::ops::aft::stream::sums_bytes;
use aft_wgpu::reference::aft::simple_stream as reference;
use libtest_mimic::Trial;

use crate::aft_common::*;
use crate::aft_stream::*;
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_simple_stream::odd_shapes_in_any_chunks", |gpu| {
            for (b, t, d) in [(1, 1, 1), (2, 2, 3), (3, 17, 5), (1, 64, 33), (2, 130, 8)] {
                for chunks in chunkings(t) {
                    check(gpu, &Case::normal(b, t, d, 0), Tier::Typical, &chunks, &PLACEMENTS);
                }
            }
        }),
        trial(gpu, "aft_simple_stream::hostile_keys", |gpu| {
            for case in hostile(0).iter().chain(&extreme(0)) {
                check(gpu, case, Tier::Adversarial, &equal(case.dims.t, 7), &PLACEMENTS);
            }
        }),
        trial(gpu, "aft_simple_stream::finite_in_finite_out", |gpu| {
            for case in beyond(0) {
                let y = run_stream(&mut Builder::new(gpu, Placement::Buffer), &case, &equal(case.dims.t, 7));
                assert!(y.iter().all(|y| y.is_finite()), "{}", case.name());
                check_convex("y", &case, &y, Tier::Adversarial.relative(0.0));
            }
        }),
        trial(gpu, "aft_simple_stream::slow_ramps_and_constants_over_thousands_of_tokens", |gpu| {
            let long = || Case::normal(1, 20_000, 4, 0);
            let signs =
                |_, t: usize, d: usize| if (t / [64, 100, 400, 4000][d]).is_multiple_of(2) { 1.0 } else { -1.0 };
            for slope in [5e-4, -5e-4] {
                let case = long().keys(|_, t, _| slope * t as f32).values(signs);
                check(gpu, &case, Tier::Typical, &equal(20_000, 999), &[Placement::Buffer]);
            }
            // Equal terms, whose roundings all go one way: a sum in one level would be off by 1e-4.
            let constant = long().keys(|_, _, d| -0.1 * d as f32).values(|_, _, _| 0.1);
            check(gpu, &constant, Tier::Adversarial, &equal(20_000, 999), &[Placement::Buffer]);
        }),
        trial(gpu, "aft_simple_stream::a_chunk_of_32000_tokens_and_no_more", |gpu| {
            let case = Case::normal(1, 32_000, 1, 0);
            check(gpu, &case, Tier::Typical, &[32_000], &[Placement::Buffer]);
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let (qkv, y) = (unwritten(b, 32_001, 12), unwritten(b, 32_001, 1));
            let [cursor, sums] = [16, 80].map(|bytes| gpu.storage("test", bytes).unwrap());
            let args = Forward { sequences: 1, chunk: 32_001, qkv: &qkv, cursor: &cursor, sums: &sums, y: &y };
            let text = forward(b, &args).unwrap_err().to_string();
            assert!(text.contains("32001") && text.contains("32000"), "{text}");
        }),
        trial(gpu, "aft_simple_stream::the_same_chunks_give_the_same_bits", |gpu| {
            for placement in PLACEMENTS {
                let case = Case::normal(2, 150, 7, 0);
                let run = || bits(&run_stream(&mut Builder::new(gpu, placement), &case, &equal(150, 40)));
                assert_eq!(run(), run(), "{placement:?}");
            }
        }),
    ]
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn check(gpu: &Gpu, case: &Case, tier: Tier, chunks: &[usize], placements: &[Placement]) {
    let (q, k, v) = (f64s(&case.q), f64s(&case.k), f64s(&case.v));
    let expected = reference::Stream::new(case.dims.b, case.dims.d).forward(case.dims, Some(&q), &k, &v);
    let sizes = largest_by_channel(case.dims, &v);
    for &placement in placements {
        let y = run_stream(&mut Builder::new(gpu, placement), case, chunks);
        let what = format!("y {placement:?} {} in {} chunks", case.name(), chunks.len());
        close(&what, &y, &expected, tier.relative(case.spread()), &sizes);
    }
}

fn run_stream(b: &mut Builder, case: &Case, chunks: &[usize]) -> Vec<f32> {
    // What another stream has left must not matter.
    let bytes = sums_bytes(case.dims.b as u32, case.dims.d as u32);
    let sums = b.gpu.upload("test", &vec![3e3f32; bytes as usize / 4]).unwrap();
    read_in_chunks(b, case, chunks, |b, pass| {
        let &Pass { sequences, chunk, qkv, cursor, y } = pass;
        forward(b, &Forward { sequences, chunk, qkv, cursor, sums: &sums, y }).unwrap();
    })
}
