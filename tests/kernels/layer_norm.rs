//! `nn/layer_norm`: forward and gradients.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::layer_norm::{Backward, Forward, backward, forward, stats_bytes};
use aft_wgpu::reference::nn::layer_norm as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "layer_norm::odd_shapes", |gpu| {
            for (rows, cols) in [(1, 1), (3, 5), (7, 64), (65, 33), (130, 129), (513, 8)] {
                let x = normal(1, rows * cols);
                check(gpu, rows, cols, &x, 1e-5, None);
            }
        }),
        trial(gpu, "layer_norm::offset_scale_and_constant_rows", |gpu| {
            let (rows, cols) = (9, 37);
            let offset: Vec<f32> = normal(2, rows * cols).iter().map(|v| 100.0 + v).collect();
            check(gpu, rows, cols, &offset, 1e-5, None);
            let tiny: Vec<f32> = normal(3, rows * cols).iter().map(|v| 1e-12 * v).collect();
            check(gpu, rows, cols, &tiny, 1e-3, None);
            check(gpu, rows, cols, &vec![3.25; rows * cols], 1e-5, None);
        }),
        // Squares beyond f32, and below it.
        trial(gpu, "layer_norm::huge_and_tiny_rows", |gpu| {
            let (rows, cols) = (9, 37);
            for scale in [1e18, 1e20, 1e30, 1e-20, 1e-41] {
                let x: Vec<f32> = normal(3, rows * cols).iter().map(|v| scale * v.clamp(-1.0, 1.0)).collect();
                check(gpu, rows, cols, &x, 1e-5, None);
            }
            // Half of the channels far out, half near zero.
            let x: Vec<f32> = (0..rows * cols).map(|i| if i % 2 == 0 { 1e30 } else { 1.0 }).collect();
            check(gpu, rows, cols, &x, 1e-5, None);
        }),
        // Wider than one lane may run over; then than 32 lanes may.
        trial(gpu, "layer_norm::wide_rows_are_right_or_refused", |gpu| {
            check_in(gpu, Placement::Buffer, 1, 100_000, &normal(9, 100_000), 1e-5, None);
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let cols = 1_364_481;
            let (x, y) = (unwritten(b, 1, cols), unwritten(b, 1, cols));
            let (gamma, stats) = (weights(b, 1, cols, &vec![1.0; cols]), gpu.storage("stats", stats_bytes(1)).unwrap());
            let args = Forward { x: &x, gamma: &gamma, beta: &gamma, eps: 1e-5, y: &y, stats: &stats };
            assert!(forward(b, &args).unwrap_err().to_string().contains("layer_norm needs 32001"));
        }),
        trial(gpu, "layer_norm::gradients_accumulate", |gpu| {
            check(gpu, 300, 20, &normal(4, 6000), 1e-5, Some(2.5));
        }),
    ]
}

fn check(gpu: &Gpu, rows: usize, cols: usize, x: &[f32], eps: f32, start: Option<f32>) {
    for placement in PLACEMENTS {
        check_in(gpu, placement, rows, cols, x, eps, start);
    }
}

fn check_in(gpu: &Gpu, placement: Placement, rows: usize, cols: usize, x: &[f32], eps: f32, start: Option<f32>) {
    let (gamma, beta) = (normal(5, cols), normal(6, cols));
    let (dy, skip) = (normal(7, rows * cols), normal(8, rows * cols));
    let expected = reference::forward(rows, cols, f64::from(eps), &f64s(x), &f64s(&gamma), &f64s(&beta));
    let gradient = reference::gradient(rows, cols, f64::from(eps), &f64s(x), &f64s(&gamma), &f64s(&dy));
    // The spread of a row sets what f32 can tell of its x^: eps_f32 |x| rstd is the rounding of the input's mean.
    let sharpness = 1.0 + max_abs(&f64s(x)) * max_abs(&expected.rstd) / (cols as f64).sqrt().min(4.0);
    let unit = 4.0 * f64::from(f32::EPSILON) * sharpness;
    let b = &mut Builder::new(gpu, placement);
    let what = |name: &str| format!("{name} {placement:?} [{rows}, {cols}]");
    let (x, dy, skip) = (plane(b, rows, cols, x), plane(b, rows, cols, &dy), plane(b, rows, cols, &skip));
    let (gamma, beta) = (weights(b, 1, cols, &gamma), weights(b, 1, cols, &beta));
    let (y, dx) = (unwritten(b, rows, cols), unwritten(b, rows, cols));
    let stats = gpu.storage("stats", stats_bytes(rows as u32)).unwrap();
    let affine = Gradients::new(b, (1, cols), Some((1, cols)), start);
    forward(b, &Forward { x: &x, gamma: &gamma, beta: &beta, eps, y: &y, stats: &stats }).unwrap();
    let with_skip =
        Backward { x: &x, dy: &dy, skip: Some(&skip), gamma: &gamma, stats: &stats, dx: &dx, affine: &affine.target };
    backward(b, &with_skip).unwrap();
    run(b);

    assert_close(&what("y"), &read(b, &y), &expected.y, unit * max_abs(&expected.y).max(1.0));
    let skip = f64s(&pollster::block_on(skip.read(gpu)).unwrap());
    let dx_expected: Vec<f64> = gradient.dx.iter().zip(&skip).map(|(d, s)| d + s).collect();
    assert_close(&what("dx"), &read(b, &dx), &dx_expected, unit * max_abs(&gradient.dx).max(4.0));
    let plus = |d: &[f64]| d.iter().map(|v| v + f64::from(start.unwrap_or(0.0))).collect::<Vec<_>>();
    let (dgamma, dbeta) = affine.read(gpu);
    // Sums in blocks of 64 rows round relative to what they reach (measured: 1.5 units of the largest). An error of x^ goes into
    // dgamma as it does into y, once a row and with either sign.
    let (dgamma_expected, dbeta_expected) = (plus(&gradient.dgamma), plus(&gradient.dbeta));
    let dgamma_tolerance = unit * max_abs(&dgamma_expected).max((rows as f64).sqrt());
    let dbeta_tolerance = 4.0 * f64::from(f32::EPSILON) * max_abs(&dbeta_expected);
    assert_close(&what("dgamma"), &dgamma, &dgamma_expected, dgamma_tolerance);
    assert_close(&what("dbeta"), &dbeta, &dbeta_expected, dbeta_tolerance);
}
