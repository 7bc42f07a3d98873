//! `aft/kernel_norm`: the re-parameterised kernel of AFT-conv and its gradients.

use aft_wgpu::gpu::{Gpu, Page, Placement};
use aft_wgpu::ops::aft::kernel_norm::{Normed, backward, forward};
use aft_wgpu::ops::{Builder, Gradient};
use aft_wgpu::reference::aft::kernel_norm as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_kernel_norm::odd_shapes", |gpu| {
            for (heads, taps) in [(1, 1), (1, 2), (3, 3), (4, 11), (5, 25), (9, 121), (64, 7), (2, 1000)] {
                check(gpu, heads, taps, &normal(1, heads * taps));
            }
        }),
        trial(gpu, "aft_kernel_norm::no_offset_and_no_scale_costs_a_digit", |gpu| {
            let raw = normal(1, 3 * 9);
            let moved = |f: fn(f32) -> f32| raw.iter().map(|v| f(*v)).collect::<Vec<f32>>();
            for raw in [moved(|v| v + 30.0), moved(|v| 1e6 + v), moved(|v| 1e-20 * v), moved(|v| 1e30 * v)] {
                check(gpu, 3, 9, &raw);
            }
            // One tap beside eight equal ones, and a last bit that differs.
            let mut odd = [7.0; 27];
            (odd[0], odd[12], odd[26]) = (-1e20, 1e-3, f32::from_bits(7f32.to_bits() + 1));
            check(gpu, 3, 9, &odd);
        }),
        trial(gpu, "aft_kernel_norm::equal_taps_are_beta_and_get_no_gradient", |gpu| {
            for value in [0.0, 0.1, -7.3, 1e20] {
                check(gpu, 5, 7, &[value; 35]);
            }
        }),
    ]
}

fn check(gpu: &Gpu, heads: usize, taps: usize, raw: &[f32]) {
    let (gamma, beta) = (normal(2, heads), normal(3, heads));
    let width = taps.next_multiple_of(4);
    let dtaps = normal(4, heads * taps);
    let expected = reference::forward(&f64s(raw), &f64s(&gamma), &f64s(&beta));
    let gradient = reference::gradient(&f64s(raw), &f64s(&gamma), &f64s(&dtaps));
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let what = |name: &str| format!("{name} {placement:?} H = {heads}, taps = {taps}");
        // One page, in the order raw, gamma, beta, as a model declares them.
        let align = |bytes: u64| bytes.next_multiple_of(256);
        let bytes = |rows: usize, cols: usize| aft_wgpu::gpu::Weights::padded_bytes(rows as u32, cols as u32);
        let places = [0, align(bytes(heads, taps)), align(bytes(heads, taps)) + align(bytes(1, heads))];
        let page = Page::new(gpu, "test", places[2] + align(bytes(1, heads)), placement).unwrap();
        let shapes = [(heads, taps), (1, heads), (1, heads)];
        let tensors = [0, 1, 2].map(|i| page.tensor(places[i], shapes[i].0 as u32, shapes[i].1 as u32));
        for (w, data) in tensors.iter().zip([raw, &gamma, &beta]) {
            gpu.write(&page.buffer, w.offset_bytes, bytemuck::cast_slice(&w.pad(data).unwrap())).unwrap();
        }
        page.submit_refresh(gpu);
        let [raw_w, gamma_w, beta_w] = &tensors;
        let normed = Normed { raw: raw_w, gamma: gamma_w, beta: beta_w };
        let made = gpu.upload("test", &vec![f32::NAN; heads * width]).unwrap();
        forward(b, &normed, &made).unwrap();
        let padded: Vec<f32> = dtaps
            .chunks(taps)
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(9e9, width - taps)))
            .collect();
        let dtaps = gpu.upload("test", &padded).unwrap();
        let out = Page::new(gpu, "test gradients", page.buffer.size(), Placement::Buffer).unwrap();
        let places = [0, 1].map(|i| out.tensor(places[i], shapes[i].0 as u32, shapes[i].1 as u32));
        let target = Gradient::of(&out.buffer, &places[0], Some(&places[1]), false).unwrap();
        backward(b, &normed, &dtaps, &target).unwrap();
        run(b);
        let read = |buffer: &aft_wgpu::gpu::Buffer, from: u64, bytes: u64| -> Vec<f32> {
            pollster::block_on(gpu.read(buffer, from, bytes)).unwrap()
        };
        let rows: Vec<f32> = read(&made, 0, 4 * (heads * width) as u64)
            .chunks(width)
            .flat_map(|row| {
                assert!(row[taps..].iter().all(|v| *v == 0.0), "padding of the taps is not zero");
                row[..taps].to_vec()
            })
            .collect();
        let unit = 4e-6 * (taps as f64).sqrt();
        assert_close(&what("taps"), &rows, &expected, unit * max_abs(&expected).max(1.0));
        let part = |w: &aft_wgpu::gpu::Weights| w.unpad(&read(&out.buffer, w.offset_bytes, w.size_bytes()));
        let scale = |values: &[f64]| unit * max_abs(values).max(max_abs(&f64s(&padded[..1])));
        assert_close(&what("draw"), &part(raw_w), &gradient.draw, scale(&gradient.draw));
        assert_close(&what("dgamma"), &part(gamma_w), &gradient.dgamma, scale(&gradient.dgamma));
        assert_close(&what("dbeta"), &part(beta_w), &gradient.dbeta, scale(&gradient.dbeta));
    }
}
