//! `aft/local_stream`: any chunks give what the whole sequence gives, with windows from one key to more than the sequence.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::biases::StreamBias;
use aft_wgpu::ops::aft::local_stream::{Forward, forward, longest_chunk, ring_bytes};
use aft_wgpu::ops::aft::stream::sums_bytes;
use aft_wgpu::reference::aft::local_stream as reference;
use libtest_mimic::Trial;

use crate::aft_common::*;
use crate::aft_simple_stream::bits;
use crate::aft_stream::*;
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_local_stream::odd_shapes_in_any_chunks", |gpu| {
            for (b, t, d) in [(1, 1, 1), (2, 2, 3), (3, 17, 5), (1, 66, 33)] {
                for s in [1, 2, 5, 16, t, t + 1] {
                    for chunks in chunkings(t) {
                        check(gpu, &Case::normal(b, t, d, s), Tier::Typical, &chunks, &PLACEMENTS);
                    }
                }
            }
        }),
        trial(gpu, "aft_local_stream::longer_shapes", |gpu| {
            for (t, s) in [(257, 16), (600, 1), (700, 300), (1000, 3)] {
                check(gpu, &Case::normal(1, t, 4, s), Tier::Typical, &equal(t, 64), &[Placement::Texture]);
            }
        }),
        trial(gpu, "aft_local_stream::windows_of_thousands", |gpu| {
            // Equal terms, whose roundings all go one way: sums in one level would drift.
            let constant = Case::normal(1, 2400, 1, 0).keys(|_, _, _| 0.0).values(|_, _, _| 0.1);
            let constant = Case { window: 2401, band: vec![0.25; 2400 * 2401], ..constant };
            check(gpu, &constant, Tier::Adversarial, &equal(2400, 50), &[Placement::Buffer]);
        }),
        trial(gpu, "aft_local_stream::hostile_keys_and_biases", |gpu| {
            for s in [1, 5, 16, 70] {
                for case in hostile(s).iter().chain(&extreme(s)) {
                    check(gpu, case, Tier::Adversarial, &equal(case.dims.t, 7), &PLACEMENTS);
                }
            }
        }),
        trial(gpu, "aft_local_stream::finite_in_finite_out", |gpu| {
            for case in beyond(6) {
                let y = run_stream(&mut Builder::new(gpu, Placement::Buffer), &case, &equal(case.dims.t, 7));
                assert!(y.iter().all(|y| y.is_finite()), "{}", case.name());
                check_convex("y", &case, &y, Tier::Adversarial.relative(0.0));
            }
        }),
        trial(gpu, "aft_local_stream::the_longest_chunk_is_right_and_a_longer_one_refused", |gpu| {
            let (t, s) = (500, 2000);
            let most = longest_chunk(2000, s);
            assert!((50..100).contains(&most), "{most}");
            let case = Case { window: s as usize, band: normal(15, t * s as usize), ..Case::normal(1, t, 2, 0) };
            check(gpu, &case, Tier::Typical, &equal(t, most as usize), &[Placement::Buffer]);
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let rows = most as usize + 1;
            let (qkv, y) = (unwritten(b, rows, 12), unwritten(b, rows, 1));
            let band = unwritten(b, 2000, aft_wgpu::ops::aft::biases::band_cols(2000, s) as usize);
            let bias = StreamBias::from_band(band, s);
            let [cursor, sums, ring] = [16, 80, ring_bytes(1, 2000, s, 1)].map(|n| gpu.storage("test", n).unwrap());
            let (cursor, sums, ring) = (&cursor, &sums, &ring);
            let args = Forward { sequences: 1, chunk: most + 1, qkv: &qkv, bias: &bias, cursor, sums, ring, y: &y };
            let text = forward(b, &args).unwrap_err().to_string();
            assert!(text.contains("32000"), "{text}");
            assert!(b.program.commands().is_empty());
        }),
        trial(gpu, "aft_local_stream::the_same_chunks_give_the_same_bits", |gpu| {
            for placement in PLACEMENTS {
                let case = Case::normal(2, 150, 7, 20);
                let run = || bits(&run_stream(&mut Builder::new(gpu, placement), &case, &equal(150, 40)));
                assert_eq!(run(), run(), "{placement:?}");
            }
        }),
        trial(gpu, "aft_local_stream::regression_the_window_is_not_off_by_one_and_older_keys_count", |gpu| {
            for s in 1..9 {
                let case = Case::normal(1, 12, 1, s).keys(|_, _, _| 0.0).values(|_, t, _| f32::from(1u16 << t));
                let case = case.gates(0.0).biases(|_, _, _| -1e4);
                let y = run_stream(&mut Builder::new(gpu, Placement::Buffer), &case, &equal(12, 5));
                // With the window suppressed, a row is the mean of the keys up to t - s.
                for (t, &y) in y.iter().enumerate().skip(s) {
                    let mean = f64::from((1u32 << (t - s + 1)) - 1) / (t - s + 1) as f64;
                    assert!((f64::from(y) / (0.5 * mean) - 1.0).abs() < 1e-6, "s = {s}, t = {t}: {y}");
                }
            }
        }),
    ]
}

fn check(gpu: &Gpu, case: &Case, tier: Tier, chunks: &[usize], placements: &[Placement]) {
    let (q, k, v, band) = (f64s(&case.q), f64s(&case.k), f64s(&case.v), f64s(&case.band));
    let mut stream = reference::Stream::new(case.dims.b, case.dims.d, case.window);
    let expected = stream.forward(case.dims, Some(&q), &k, &v, &band);
    let sizes = largest_by_channel(case.dims, &v);
    for &placement in placements {
        let y = run_stream(&mut Builder::new(gpu, placement), case, chunks);
        let what = format!("y {placement:?} {} in {} chunks", case.name(), chunks.len());
        close(&what, &y, &expected, tier.relative(case.spread()), &sizes);
    }
}

fn run_stream(b: &mut Builder, case: &Case, chunks: &[usize]) -> Vec<f32> {
    let (batch, time, window) = case.shape();
    let (bias, channels) = (StreamBias::from_band(case.band_plane(b), window), case.dims.d as u32);
    // What another stream has left must not matter.
    let left = |bytes: u64| b.gpu.upload("test", &vec![3e3f32; bytes as usize / 4]).unwrap();
    let [sums, ring] = [sums_bytes(batch, channels), ring_bytes(batch, time, window, channels)].map(left);
    read_in_chunks(b, case, chunks, |b, pass| {
        let &Pass { sequences, chunk, qkv, cursor, y } = pass;
        let (bias, sums, ring) = (&bias, &sums, &ring);
        forward(b, &Forward { sequences, chunk, qkv, bias, cursor, sums, ring, y }).unwrap();
    })
}
