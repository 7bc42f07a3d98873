//! `nn/gradient_norm`: partial sums of squares over pages.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::gradient_norm::{MAX_PARTIALS, SumSquares, forward};
use aft_wgpu::reference::nn::gradient_norm as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::training::Floats;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "gradient_norm::pages_append", |gpu| {
            check(gpu, &[1, 15, 16, 17]);
            check(gpu, &[1000, 16_385, 64, 37_500]);
        }),
        trial(gpu, "gradient_norm::constant_gradients_stay_exact", |gpu| {
            // 0.1 squared rounds the same way at every addition.
            norm_of(gpu, &[vec![0.1; 4 * 300_000]]);
        }),
        trial(gpu, "gradient_norm::hostile_values", |gpu| {
            norm_of(gpu, &[vec![1e-15; 400], vec![0.0; 400]]);
            norm_of(gpu, &[vec![1e15; 400], vec![-1e-15; 400]]);
        }),
        trial(gpu, "gradient_norm::not_finite_shows", |gpu| {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
                let mut page = vec![1.0; 4 * 5000];
                page[12_345] = bad;
                for placement in PLACEMENTS {
                    assert!(!squares(gpu, placement, &[page.clone()]).iter().sum::<f32>().is_finite(), "{bad} is lost");
                }
            }
        }),
    ]
}

fn check(gpu: &Gpu, vec4s: &[usize]) {
    let pages: Vec<Vec<f32>> = vec4s.iter().enumerate().map(|(i, n)| normal(i as u32, 4 * n)).collect();
    norm_of(gpu, &pages);
}

fn norm_of(gpu: &Gpu, pages: &[Vec<f32>]) {
    let wide: Vec<Vec<f64>> = pages.iter().map(|p| f64s(p)).collect();
    let expected = reference::norm(&wide.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for placement in PLACEMENTS {
        let partials = squares(gpu, placement, pages);
        let norm = partials.iter().map(|p| f64::from(*p)).sum::<f64>().sqrt();
        // Sums in blocks of 64 round by at most 64 + 64 units of squares that are all positive.
        assert!((norm / expected - 1.0).abs() < 64.0 * f64::from(f32::EPSILON), "{placement:?}: {norm} for {expected}");
    }
}

/// The partial sums of all pages.
fn squares(gpu: &Gpu, placement: Placement, pages: &[Vec<f32>]) -> Vec<f32> {
    let b = &mut Builder::new(gpu, placement);
    let partials = Floats::new(gpu, &vec![f32::NAN; pages.len() * MAX_PARTIALS as usize]);
    let mut offset = 0;
    for data in pages {
        // Behind the tensors a page may hold anything: it does not count.
        let page = gpu.upload("gradients", &[data.as_slice(), &[f32::NAN; 64]].concat()).unwrap();
        let vec4s = data.len() as u32 / 4;
        let next = forward(b, &SumSquares { grad: &page, vec4s, partials: &partials.buffer, offset }).unwrap();
        assert!((1..=MAX_PARTIALS).contains(&(next - offset)));
        offset = next;
    }
    run(b);
    let mut all = partials.read(gpu);
    assert!(all[offset as usize..].iter().all(|p| p.is_nan()), "a store behind the partial sums");
    all.truncate(offset as usize);
    all
}
