//! `nn/attention_stream`: read in chunks of any size, it gives what attention over the whole sequence gives.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::attention_stream::{Forward, cache_bytes, forward};
use aft_wgpu::reference::nn::attention_stream::State;
use libtest_mimic::Trial;

use crate::aft_common::Case;
use crate::aft_stream::{chunkings, equal, read_in_chunks};
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "attention_stream::any_chunks", |gpu| {
            for (b, t, d, heads) in [(1, 1, 4, 1), (3, 5, 8, 2), (2, 70, 16, 2), (1, 130, 36, 3)] {
                let case = Case::normal(b, t, d, 0);
                chunkings(t).iter().for_each(|chunks| check(gpu, &case, heads, chunks, 2e-6));
            }
        }),
        trial(gpu, "attention_stream::a_head_of_more_than_64_vec4s", |gpu| {
            check(gpu, &Case::normal(1, 9, 528, 0), 2, &equal(9, 4), 2e-6);
            check(gpu, &Case::normal(1, 9, 528, 0), 1, &equal(9, 4), 2e-6);
        }),
        trial(gpu, "attention_stream::hostile_keys", |gpu| {
            // Scores of up to some 1e4: their own rounding is 1e4 eps a score, and twice that in a mean.
            let big = |d| Case::normal(2, 70, d, 0).keys(|k, _, _| (3e3 * k).clamp(-1e4, 1e4));
            check(gpu, &big(8), 2, &equal(70, 7), 1e-2);
            let spike = Case::normal(2, 70, 8, 0).keys(|k, t, _| if t == 20 { 1e4 } else { k });
            check(gpu, &spike, 2, &equal(70, 7), 1e-2);
            let rising = Case::normal(2, 70, 8, 0).keys(|k, t, _| k + 0.5 * t as f32);
            check(gpu, &rising, 2, &equal(70, 7), 1e-4);
        }),
        trial(gpu, "attention_stream::what_does_not_fit_is_refused", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let (qkv, y) = (unwritten(b, 4, 24), unwritten(b, 4, 8));
            let [cursor, cache] = [16, cache_bytes(2, 10, 8)].map(|bytes| gpu.storage("test", bytes).unwrap());
            let mut refused = |heads, time, text: &str| {
                let (qkv, cursor, cache, y) = (&qkv, &cursor, &cache, &y);
                let args = Forward { sequences: 2, chunk: 2, time, heads, qkv, cursor, cache, y };
                let error = forward(b, &args).unwrap_err().to_string();
                assert!(error.contains(text), "{error}");
            };
            refused(4, 10, "4 heads");
            refused(2, 11, "keys and values");
        }),
    ]
}

/// y of a case in chunks, within `relative` times the largest value.
fn check(gpu: &Gpu, case: &Case, heads: usize, chunks: &[usize], relative: f64) {
    let (t, d) = (case.dims.t, case.dims.d);
    let [q, k, v] = [&case.q, &case.k, &case.v].map(|values| f64s(values));
    let mut expected = Vec::new();
    for n in 0..case.dims.b {
        let mut state = State::default();
        for row in n * t..(n + 1) * t {
            let at = row * d..(row + 1) * d;
            expected.extend(state.next(heads, &q[at.clone()], &k[at.clone()], &v[at]));
        }
    }
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let bytes = cache_bytes(case.dims.b as u32, t as u32, d as u32);
        let cache = gpu.upload("cache", &vec![f32::NAN; bytes as usize / 4]).unwrap();
        let y = read_in_chunks(b, case, chunks, |b, pass| {
            let (sequences, chunk, time, heads) = (pass.sequences, pass.chunk, t as u32, heads as u32);
            let (qkv, cursor, cache, y) = (pass.qkv, pass.cursor, &cache, pass.y);
            forward(b, &Forward { sequences, chunk, time, heads, qkv, cursor, cache, y }).unwrap();
        });
        let what = format!("{placement:?} {} H = {heads}, {chunks:?}", case.name());
        assert_close(&what, &y, &expected, relative * max_abs(&v));
    }
}
