//! AFT in every form against pairs summed one by one in f64.

use aft_wgpu::gpu::{Gpu, Plane};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::mix::{Backward, Biases, Mix, Mixed, backward, forward};
use aft_wgpu::ops::aft::qkv_cols;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![trial(gpu, "aft_mix::quick", |gpu| {
        for &(b, t, d, r) in &[(1, 1, 1, 1), (1, 5, 3, 2), (2, 9, 5, 3), (1, 33, 8, 4), (2, 130, 4, 3), (1, 300, 6, 5)]
        {
            for window in [None, Some(1), Some(2), Some(5), Some(16), Some(t)] {
                for causal in [true, false] {
                    for masked in [false, true] {
                        for gated in [true, false] {
                            check(gpu, [b, t, d, r], window, causal, masked, gated, 0.0);
                        }
                    }
                }
            }
        }
        check(gpu, [1, 65, 4, 3], Some(65), false, false, true, 1000.0);
        check(gpu, [1, 65, 4, 3], Some(7), true, false, true, 1000.0);
    })]
}

fn check(
    gpu: &Gpu,
    [b, t, d, r]: [usize; 4],
    window: Option<usize>,
    causal: bool,
    masked: bool,
    gated: bool,
    offset: f32,
) {
    let n = b * t * d;
    let [q, k, mut v, dy] = [1, 2, 3, 4].map(|seed| normal(seed, n));
    v.iter_mut().for_each(|v| *v += offset);
    let (u, vf) = (normal(5, t * r), normal(6, t * r));
    let mask: Vec<u32> = (0..b * t).map(|i| u32::from(!masked || i % 3 != 0)).collect();
    let w = |row: usize, key: usize| match window {
        Some(s) if row.abs_diff(key) < s => {
            (0..r).map(|i| f64::from(u[row * r + i]) * f64::from(vf[key * r + i])).sum()
        }
        _ => 0.0f64,
    };
    let at = |b: usize, t_: usize, c: usize| (b * t + t_) * d + c;
    let zeros = || vec![0.0f64; n];
    let (mut y, mut dq, mut dk, mut dv) = (zeros(), zeros(), zeros(), zeros());
    let (mut du, mut dvf) = (vec![0.0; t * r], vec![0.0; t * r]);
    for bi in 0..b {
        for c in 0..d {
            for row in 0..t {
                let i = at(bi, row, c);
                let sees: Vec<usize> =
                    (0..t).filter(|&key| (!causal || key <= row) && mask[bi * t + key] != 0).collect();
                if sees.is_empty() {
                    continue;
                }
                let x: Vec<f64> = sees.iter().map(|&key| f64::from(k[at(bi, key, c)]) + w(row, key)).collect();
                let top = x.iter().fold(f64::MIN, |m, &x| m.max(x));
                let den: f64 = x.iter().map(|x| (x - top).exp()).sum();
                let p: Vec<f64> = x.iter().map(|x| (x - top).exp() / den).collect();
                let mean: f64 = p.iter().zip(&sees).map(|(p, &key)| p * f64::from(v[at(bi, key, c)])).sum();
                let s = 1.0 / (1.0 + (-f64::from(q[i])).exp());
                let (g, slope) = if gated { (s, s * (1.0 - s)) } else { (1.0, 0.0) };
                y[i] = g * mean;
                dq[i] = f64::from(dy[i]) * mean * slope;
                for (p, &key) in p.iter().zip(&sees) {
                    let j = at(bi, key, c);
                    let pg = p * g * f64::from(dy[i]);
                    dv[j] += pg;
                    let dx = pg * (f64::from(v[j]) - mean);
                    dk[j] += dx;
                    if window.is_some_and(|s| row.abs_diff(key) < s) {
                        for e in 0..r {
                            du[row * r + e] += dx * f64::from(vf[key * r + e]);
                            dvf[key * r + e] += dx * f64::from(u[row * r + e]);
                        }
                    }
                }
            }
        }
    }
    for placement in PLACEMENTS {
        let builder = &mut Builder::new(gpu, placement);
        let what = |name: &str| {
            format!(
                "{name} [{b}, {t}, {d}] R = {r}, s = {window:?}, causal {causal}, masked {masked}, gated {gated}, {placement:?}"
            )
        };
        let third = qkv_cols(d as u32) as usize / 3;
        let mut packed = vec![0.0; b * t * 3 * third];
        for (part, values) in [&q, &k, &v].into_iter().enumerate() {
            for row in 0..b * t {
                for c in 0..d {
                    let poison = part > 0 && mask[row] == 0;
                    packed[row * 3 * third + part * third + c] = if poison { f32::NAN } else { values[row * d + c] };
                }
            }
        }
        let qkv = plane(builder, b * t, 3 * third, &packed);
        let mask_buffer = gpu.upload("mask", &mask).unwrap();
        let mix = Mix {
            batch: b as u32,
            time: t as u32,
            channels: d as u32,
            causal,
            gated,
            mask: masked.then_some(&mask_buffer),
        };
        let (uw, vw) = (weights(builder, t, r, &u), weights(builder, t, r, &vf));
        let biases = match window {
            Some(s) => Biases::Factors { u: &uw, v: &vw, window: s as u32 },
            None => Biases::None,
        };
        let saved = Mixed::new(builder, &mix, true)
            .unwrap()
            .saved
            .map(|s| aft_wgpu::ops::aft::mix::Saved { centre: s.centre, r: unwritten(builder, b * t, d) });
        let out = Mixed { y: unwritten(builder, b * t, d), log_den: unwritten(builder, b * t, d), saved };
        forward(builder, &mix, &biases, &qkv, &out).unwrap();
        let dy_plane = plane(builder, b * t, d, &dy);
        let dqkv: Plane = unwritten(builder, b * t, 3 * third);
        let gradients = Gradients::new(builder, (t, r), Some((t, r)), None);
        let dbiases = window.map(|_| &gradients.target);
        backward(builder, &mix, &biases, &Backward { qkv: &qkv, out: &out, dy: &dy_plane, dqkv: &dqkv, dbiases })
            .unwrap();
        run(builder);
        let scale = f64::from(offset).max(4.0);
        assert_close(&what("y"), &read(builder, &out.y), &y, 2e-6 * scale);
        let got = pollster::block_on(dqkv.read(gpu)).unwrap();
        let part = |p: usize| -> Vec<f32> {
            (0..b * t).flat_map(|row| got[row * 3 * third + p * third..][..d].to_vec()).collect()
        };
        let tolerance = |expected: &[f64]| 5e-6 * max_abs(expected).max(0.1);
        assert_close(&what("dq"), &part(0), &dq, 2e-6 * scale);
        assert_close(&what("dk"), &part(1), &dk, tolerance(&dk));
        assert_close(&what("dv"), &part(2), &dv, tolerance(&dv));
        if window.is_some() {
            let (a, z) = gradients.read(gpu);
            assert_close(&what("du"), &a, &du, tolerance(&du));
            assert_close(&what("dv factor"), &z, &dvf, tolerance(&dvf));
        }
    }
}
