//! `nn/dropout`: the mask bit for bit, with and without a residual.

use aft_wgpu::gpu::Gpu;
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::dropout::{Dropout, forward};
use aft_wgpu::ops::nn::train_state::TrainState;
use aft_wgpu::reference::nn::dropout::{self as reference, Mask};
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "dropout::odd_shapes", |gpu| {
            for (rows, cols) in [(1, 1), (3, 5), (65, 33), (130, 129), (512, 64)] {
                check(gpu, rows, Mask { cols, site: 3, step: 11, seed: 42, rate: 0.25 });
            }
        }),
        trial(gpu, "dropout::counters_and_rates", |gpu| {
            let mask = Mask { cols: 37, site: 0, step: 0, seed: 0, rate: 0.1 };
            check(gpu, 100, mask);
            check(gpu, 100, Mask { site: u32::MAX, step: u32::MAX, seed: u32::MAX, ..mask });
            for rate in [0.0, 1e-9, 0.5, 0.999] {
                check(gpu, 100, Mask { rate, ..mask });
            }
        }),
        trial(gpu, "dropout::rates_are_checked", |gpu| {
            let b = &mut Builder::new(gpu, PLACEMENTS[0]);
            let (x, y) = (plane(b, 1, 4, &[0.0; 4]), unwritten(b, 1, 4));
            let state = gpu.upload("state", &[TrainState::new(1)]).unwrap();
            for rate in [1.0, -0.1, f32::NAN] {
                let args = Dropout { x: &x, residual: None, state: Some(&state), site: 0, rate, y: &y };
                assert!(forward(b, &args).is_err(), "{rate} passes");
            }
        }),
    ]
}

fn check(gpu: &Gpu, rows: usize, mask: Mask) {
    let cols = mask.cols;
    let (x, residual) = (normal(1, rows * cols), normal(2, rows * cols));
    let dropped = reference::forward(&mask, &f64s(&x)).y;
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let what = |name: &str| format!("{name} {placement:?} {rows} rows, {mask:?}");
        let state = TrainState { step: mask.step, ..TrainState::new(mask.seed) };
        let state = gpu.upload("state", &[state]).unwrap();
        let (x, add) = (plane(b, rows, cols, &x), plane(b, rows, cols, &residual));
        let (y, sum) = (unwritten(b, rows, cols), unwritten(b, rows, cols));
        let Mask { site, rate, .. } = mask;
        forward(b, &Dropout { x: &x, residual: None, state: Some(&state), site, rate, y: &y }).unwrap();
        forward(b, &Dropout { x: &x, residual: Some(&add), state: Some(&state), site, rate, y: &sum }).unwrap();
        run(b);

        // A product of two f32 rounds once.
        let y = read(b, &y);
        assert_close(&what("y"), &y, &dropped, max_abs(&dropped) * f64::from(f32::EPSILON));
        for (i, y) in y.iter().enumerate() {
            assert_eq!(*y == 0.0, dropped[i] == 0.0, "{}: the mask differs at {i}", what("y"));
        }
        let expected: Vec<f64> = dropped.iter().zip(&residual).map(|(d, r)| d + f64::from(*r)).collect();
        assert_close(&what("sum"), &read(b, &sum), &expected, max_abs(&expected) * 2.0 * f64::from(f32::EPSILON));
    }
}
