//! `aft/band`: the factorised band and the gradients of its factors.

use aft_wgpu::gpu::{Gpu, Placement, Plane};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::band::{Backward, Forward, backward, cols, forward, index};
use aft_wgpu::reference::aft::band as reference;
use libtest_mimic::Trial;

use crate::aft_common::entries;
use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "aft_band::odd_shapes", |gpu| {
            for (t, r) in [(1, 1), (2, 3), (3, 4), (7, 5), (17, 8), (33, 31), (64, 32), (129, 33)] {
                for s in [1, 2, 3, 4, 5, 6, 16, t, t + 1] {
                    check(gpu, t, r, s, None);
                }
            }
        }),
        trial(gpu, "aft_band::gradients_of_a_long_window_accumulate", |gpu| check(gpu, 700, 6, 600, Some(0.75))),
        trial(gpu, "aft_band::ranks_are_right_or_refused", |gpu| {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let mut band_of_ones = |rank: usize| {
                let (u, band) = (weights(b, 1, rank, &vec![1.0; rank]), unwritten(b, 1, 4));
                forward(b, &Forward { window: 1, u: &u, v: &u, band: &band })?;
                run(b);
                Ok::<_, aft_wgpu::Error>(read(b, &band)[0])
            };
            assert_eq!(band_of_ones(127_984).unwrap(), 127_984.0);
            let refused = band_of_ones(127_985);
            assert!(refused.unwrap_err().to_string().contains("needs 32001"));
        }),
        trial(gpu, "aft_band::the_layout_is_a_bijection", |_| {
            for (t, s) in [(1, 1), (9, 1), (9, 2), (9, 5), (30, 6), (30, 17), (30, 31)] {
                let cols = cols(t, s);
                let places = entries(t as usize, s as usize)
                    .map(|(row, key, _)| (row, index(row as u32, key as u32)))
                    .inspect(|&(_, at)| assert!(at < cols, "T = {t}, s = {s}: {at} of {cols}"));
                let count = entries(t as usize, s as usize).count();
                assert_eq!(places.collect::<std::collections::BTreeSet<_>>().len(), count);
            }
        }),
    ]
}

fn check(gpu: &Gpu, t: usize, r: usize, s: usize, start: Option<f32>) {
    let (u, v, dband) = (normal(1, t * r), normal(2, t * r), normal(3, t * s));
    let expected = reference::forward(t, s, r, &f64s(&u), &f64s(&v)).band;
    let gradient = reference::gradient(t, s, r, &f64s(&u), &f64s(&v), &f64s(&dband));
    let magnitudes = |values: &[f32]| values.iter().map(|v| f64::from(v.abs())).collect::<Vec<_>>();
    let sizes = reference::gradient(t, s, r, &magnitudes(&u), &magnitudes(&v), &magnitudes(&dband));
    let cols = cols(t as u32, s as u32) as usize;
    let place = |row: usize, key: usize| row * cols + index(row as u32, key as u32) as usize;
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let what = |name: &str| format!("{name} {placement:?} T = {t}, R = {r}, s = {s}");
        let (u, v) = (weights(b, t, r, &u), weights(b, t, r, &v));
        let band: Plane = unwritten(b, t, cols);
        forward(b, &Forward { window: s as u32, u: &u, v: &v, band: &band }).unwrap();
        // The gradient's band is zero outside the window, as local's gradient leaves it; unused blocks hold anything.
        let mut blocks = vec![f32::NAN; t * cols];
        for (row, block) in blocks.chunks_mut(4).enumerate() {
            let (row, age) = (row / (cols / 4), row % (cols / 4));
            if age <= row / 4 {
                block.fill(0.0);
            }
        }
        entries(t, s).for_each(|(row, key, at)| blocks[place(row, key)] = dband[at]);
        let dband = plane(b, t, cols, &blocks);
        let factors = Gradients::new(b, (t, r), Some((t, r)), start);
        backward(b, &Backward { u: &u, v: &v, dband: &dband, factors: &factors.target }).unwrap();
        run(b);

        let found = read(b, &band);
        let mut actual = vec![0.0; t * s];
        entries(t, s).for_each(|(row, key, at)| actual[at] = found[place(row, key)]);
        // R roundings of products of a few units, which grow like sqrt(R).
        let unit = f64::from(f32::EPSILON) * (r as f64).sqrt() * 8.0;
        assert_close(&what("band"), &actual, &expected, unit);
        let plus = |d: &[f64]| d.iter().map(|x| x + f64::from(start.unwrap_or(0.0))).collect::<Vec<_>>();
        let (du, dv) = factors.read(gpu);
        // A rounding of the sum of magnitudes for the products, and one for their sums (measured: two fifths in all).
        let unit = |size: &[f64]| 2.0 * f64::from(f32::EPSILON) * (max_abs(size) + f64::from(start.unwrap_or(0.0)));
        assert_close(&what("du"), &du, &plus(&gradient.du), unit(&sizes.du));
        assert_close(&what("dv"), &dv, &plus(&gradient.dv), unit(&sizes.dv));
    }
}
