//! Sequences that are shorter than the parameters of their biases.

use aft_wgpu::gpu::{Gpu, Page, Placement, Plane, Recorder};
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases};
use aft_wgpu::ops::aft::dense::Rowed;
use aft_wgpu::ops::aft::mix::{self, Backward, Mix, Mixed};
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::ops::{Builder, Gradient};
use libtest_mimic::Trial;
use pollster::block_on;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "shorter::gradients_of_factors_past_the_end_are_0", factors),
        trial(gpu, "shorter::gradients_of_columns_past_the_end_are_0", full),
    ]
}

/// What the gradients hold before.
const STALE: f32 = 3.0;

/// Both passes over `time` positions of 4 channels.
fn run_both(gpu: &Gpu, time: u32, biases: &Biases<'_>, target: BiasGradient<'_>) {
    let b = &mut Builder::new(gpu, Placement::Buffer);
    let mix = Mix { batch: 1, time, channels: 4, causal: false, gated: true, mask: None };
    let values = normal(1, (time * qkv_cols(4)) as usize);
    let qkv = Plane::upload(gpu, "qkv", time, qkv_cols(4), &values, Placement::Buffer).unwrap();
    let dy = Plane::upload(gpu, "dy", time, 4, &normal(2, 4 * time as usize), Placement::Buffer).unwrap();
    let (dqkv, out) = (b.plane("dqkv", time, qkv_cols(4)).unwrap(), Mixed::new(b, &mix, true).unwrap());
    mix::forward(b, &mix, biases, &qkv, &out).unwrap();
    let args = Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases: Some(target) };
    mix::backward(b, &mix, biases, &args).unwrap();
    let mut recorder = Recorder::new(gpu);
    block_on(recorder.run(&b.take_program())).unwrap();
    block_on(recorder.finish()).unwrap();
}

/// Factors of 400 rows: in one panel and in several, of all keys and of a window; T in whole vec4s and not.
fn factors(gpu: &Gpu) {
    const LONG: u32 = 400;
    const RANK: u32 = 5;
    let len = (LONG * 8) as usize;
    let page = Page::new(gpu, "factors", 8 * len as u64, Placement::Buffer).unwrap();
    let [u, v] = [0, 4 * len as u64].map(|offset| page.tensor(offset, LONG, RANK));
    for (weights, stream) in [(&u, 3), (&v, 4)] {
        let padded = weights.pad(&normal(stream, (LONG * RANK) as usize)).unwrap();
        gpu.write(&page.buffer, weights.offset_bytes, bytemuck::cast_slice(&padded)).unwrap();
    }
    let gradients = gpu.storage("gradients", page.buffer.size()).unwrap();
    for (time, window) in [(32, u32::MAX), (33, u32::MAX), (30, 7), (302, u32::MAX), (303, 100)] {
        let biases = Biases::Factors { u: &u, v: &v, window };
        let mut both = [false, true].map(|accumulate| {
            gpu.write(&gradients, 0, bytemuck::cast_slice(&vec![STALE; 2 * len])).unwrap();
            let target = Gradient::of(&gradients, &u, Some(&v), accumulate).unwrap();
            run_both(gpu, time, &biases, BiasGradient::Factors(&target));
            block_on(gpu.read::<f32>(&gradients, 0, 8 * len as u64)).unwrap()
        });
        both[1].iter_mut().for_each(|added| *added -= STALE);
        for (name, part) in [("du", 0..len), ("dv", len..2 * len)] {
            let [set, added] = both.each_ref().map(|all| &all[part.clone()]);
            let (inside, past) = set.split_at((time * 8) as usize);
            assert!(past.iter().all(|d| *d == 0.0), "{name}, T = {time}, window {window}: stale rows");
            let largest = inside.iter().fold(0.0f32, |m, d| m.max(d.abs()));
            assert!(largest > 0.0 && largest.is_finite(), "{name}, T = {time}: {largest}");
            // Two roundings, of numbers that are at most the largest and 3 apart from each other.
            let near = |(one, other): (&f32, &f32)| (one - other).abs() <= 1e-6 * (largest + STALE);
            assert!(set.iter().zip(added).all(near), "{name}, T = {time}, window {window}: what is added");
        }
    }
}

/// w of 40 columns, of which 30 are read.
fn full(gpu: &Gpu) {
    const LONG: usize = 40;
    let w = gpu.upload("w", &normal(5, LONG * LONG)).unwrap();
    let dw = gpu.upload("dw", &[STALE; LONG * LONG]).unwrap();
    let [w, out] = [&w, &dw].map(|buffer| Rowed { buffer, offset_bytes: 0, columns: LONG as u32, stride: LONG as u32 });
    run_both(gpu, 30, &Biases::Full(w), BiasGradient::Dense(out, false));
    let dw: Vec<f32> = block_on(gpu.read(&dw, 0, 4 * (LONG * LONG) as u64)).unwrap();
    for (t, row) in dw.chunks(LONG).enumerate() {
        // Rows past the end are not written.
        let (inside, past) = row.split_at(if t < 30 { 30 } else { 0 });
        assert!(inside.iter().all(|dw| *dw != 0.0 && *dw != STALE), "row {t}: {inside:?}");
        assert!(past.iter().all(|dw| *dw == if t < 30 { 0.0 } else { STALE }), "row {t}: {past:?}");
    }
}
