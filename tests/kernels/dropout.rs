//! `nn/dropout`: the mask bit for bit, with and without a residual.

use aft_wgpu::gpu::{Gpu, Placement};
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
        // Wider than one lane may run over; then than 32 lanes may.
        trial(gpu, "dropout::wide_rows_are_right_or_refused", |gpu| {
            let mask = Mask { cols: 280_000, site: 1, step: 2, seed: 3, rate: 0.5 };
            check_in(gpu, Placement::Buffer, 2, mask, &normal(3, 560_000));
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let (x, y) = (unwritten(b, 1, 4_096_001), unwritten(b, 1, 4_096_001));
            let state = gpu.upload("state", &[TrainState::new(1)]).unwrap();
            let args = Dropout { x: &x, residual: None, state: Some(&state), site: 0, rate: 0.5, y: &y };
            assert!(forward(b, &args).unwrap_err().to_string().contains("dropout needs 32001"));
        }),
        trial(gpu, "dropout::hostile_values", |gpu| {
            // Twice the largest is beyond f32 only from 1.7e38 on.
            let hostile = [1e30, -1e38, 1e-41, -1e-45, 0.0, -0.0, f32::MIN_POSITIVE];
            let mask = Mask { cols: 37, site: 1, step: 2, seed: 3, rate: 0.5 };
            for placement in PLACEMENTS {
                check_in(gpu, placement, 40, mask, &hostile.repeat(212)[..40 * 37]);
            }
        }),
        trial(gpu, "dropout::what_is_dropped_shows_in_nothing", |gpu| {
            let mask = Mask { cols: 37, site: 1, step: 2, seed: 3, rate: 0.5 };
            let kept: Vec<bool> = reference::forward(&mask, &vec![1.0; 40 * 37]).y.iter().map(|y| *y != 0.0).collect();
            for (placement, bad) in PLACEMENTS.into_iter().flat_map(|p| [f32::NAN, f32::INFINITY].map(|bad| (p, bad))) {
                let b = &mut Builder::new(gpu, placement);
                let x: Vec<f32> = kept.iter().map(|kept| if *kept { 1.0 } else { bad }).collect();
                let (x, y) = (plane(b, 40, 37, &x), unwritten(b, 40, 37));
                let state =
                    gpu.upload("state", &[TrainState { step: mask.step, ..TrainState::new(mask.seed) }]).unwrap();
                forward(
                    b,
                    &Dropout { x: &x, residual: None, state: Some(&state), site: mask.site, rate: mask.rate, y: &y },
                )
                .unwrap();
                run(b);
                let expected: Vec<f32> = kept.iter().map(|kept| if *kept { 2.0 } else { 0.0 }).collect();
                assert_eq!(read(b, &y), expected, "{bad} {placement:?}");
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
    for placement in PLACEMENTS {
        check_in(gpu, placement, rows, mask, &normal(1, rows * mask.cols));
    }
}

fn check_in(gpu: &Gpu, placement: Placement, rows: usize, mask: Mask, x: &[f32]) {
    let cols = mask.cols;
    let residual = normal(2, rows * cols);
    let dropped = reference::forward(&mask, &f64s(x)).y;
    let b = &mut Builder::new(gpu, placement);
    let what = |name: &str| format!("{name} {placement:?} {rows} rows, {mask:?}");
    let state = TrainState { step: mask.step, ..TrainState::new(mask.seed) };
    let state = gpu.upload("state", &[state]).unwrap();
    let (x, add) = (plane(b, rows, cols, x), plane(b, rows, cols, &residual));
    let (y, sum) = (unwritten(b, rows, cols), unwritten(b, rows, cols));
    let Mask { site, rate, .. } = mask;
    forward(b, &Dropout { x: &x, residual: None, state: Some(&state), site, rate, y: &y }).unwrap();
    forward(b, &Dropout { x: &x, residual: Some(&add), state: Some(&state), site, rate, y: &sum }).unwrap();
    run(b);

    // A product of two f32 and its factor round once each; below the smallest normal number a driver may flush to zero.
    let y = read(b, &y);
    let near = |expected: f64| 2.0 * f64::from(f32::EPSILON) * expected.abs() + f64::from(f32::MIN_POSITIVE);
    for (i, y) in y.iter().enumerate() {
        assert_close(&what(&format!("y at {i}")), &[*y], &[dropped[i]], near(dropped[i]));
        let small = dropped[i].abs() < 2.0 * f64::from(f32::MIN_POSITIVE);
        assert!(small || (*y == 0.0) == (dropped[i] == 0.0), "{}: the mask differs at {i}", what("y"));
    }
    let expected: Vec<f64> = dropped.iter().zip(&residual).map(|(d, r)| d + f64::from(*r)).collect();
    assert_close(&what("sum"), &read(b, &sum), &expected, max_abs(&expected) * 2.0 * f64::from(f32::EPSILON));
}
