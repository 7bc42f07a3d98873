//! `nn/linear`: forward with its fused store, and gradients.

use aft_wgpu::gpu::{AdapterClass, Gpu, Placement, Target};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::linear::{Backward, Forward, backward, forward};
use aft_wgpu::reference::nn::linear as reference;
use aft_wgpu::reference::nn::linear::Activation;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

const EPS: f64 = f32::EPSILON as f64;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "linear::a_long_product_in_pieces_has_the_same_bits", pieces),
        trial(gpu, "linear::odd_shapes", |gpu| {
            for shape in [[1, 1, 1], [3, 5, 7], [17, 4, 64], [65, 33, 130], [129, 200, 31], [2, 257, 9]] {
                check(gpu, shape, &Case::default());
            }
        }),
        trial(gpu, "linear::more_than_one_slice_of_rows", |gpu| check(gpu, [2100, 12, 20], &Case::default())),
        trial(gpu, "linear::long_sums_are_right_or_refused", long_sums),
        trial(gpu, "linear::bias_gelu_residual", |gpu| {
            for shape in [[5, 6, 7], [70, 64, 256]] {
                check(gpu, shape, &Case { bias: true, gelu: true, residual: true, ..Case::default() });
                check(gpu, shape, &Case { bias: true, residual: true, ..Case::default() });
            }
        }),
        trial(gpu, "linear::gradients_accumulate", |gpu| {
            check(gpu, [37, 10, 11], &Case { bias: true, start: Some(-1.5), ..Case::default() });
            check(gpu, [2100, 8, 8], &Case { bias: true, start: Some(0.25), ..Case::default() });
        }),
        trial(gpu, "linear::gelu_far_out", |gpu| {
            check(gpu, [9, 8, 12], &Case { gelu: true, scale: 300.0, ..Case::default() });
            check(gpu, [9, 8, 12], &Case { gelu: true, scale: 1e18, ..Case::default() });
            check(gpu, [9, 8, 12], &Case { gelu: true, scale: 1e-20, ..Case::default() });
        }),
        trial(gpu, "linear::gelu_is_good_to_2e-7_of_erf", gelu_accuracy),
    ]
}

struct Case {
    bias: bool,
    gelu: bool,
    residual: bool,
    scale: f32,
    start: Option<f32>,
}

impl Default for Case {
    fn default() -> Self {
        Self { bias: false, gelu: false, residual: false, scale: 1.0, start: None }
    }
}

/// y = gelu(x W + bias) + residual, and the gradients of a layer whose input x was itself the GELU of `before`.
fn check(gpu: &Gpu, [m, k, n]: [usize; 3], case: &Case) {
    let dims = reference::Dims { m, k, n };
    let x: Vec<f32> = normal(1, m * k).iter().map(|v| case.scale * v).collect();
    let (w, bias, residual) = (normal(2, k * n), normal(3, n), normal(4, m * n));
    let (dy, skip, before) = (normal(5, m * n), normal(6, m * k), normal(7, m * k));
    let activation = if case.gelu { Activation::Gelu } else { Activation::None };
    let (bias64, residual64) = (case.bias.then(|| f64s(&bias)), case.residual.then(|| f64s(&residual)));
    let (x64, w64) = (f64s(&x), f64s(&w));
    let expected = reference::forward(dims, activation, &x64, &w64, bias64.as_deref(), residual64.as_deref());
    let gradient = reference::gradient(dims, Activation::None, &x64, &w64, &expected.pre, &f64s(&dy));
    let dx: Vec<f64> = (0..m * k)
        .map(|i| gradient.dx[i] * reference::gelu_derivative(f64::from(before[i])) + f64::from(skip[i]))
        .collect();

    // Rounding of a sum of `len` products of size `size`: at most len / 2 steps of it, measured below a tenth of that.
    let sum = |len: usize, size: f64| EPS * (4.0 + len as f64 / 16.0) * size;
    let (x_max, w_max, dy_max) = (max_abs(&x64), max_abs(&w64), max_abs(&f64s(&dy)));
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let what = |name: &str| format!("{name} {placement:?} [{m}, {k}, {n}]");
        let planes = (plane(b, m, k, &x), plane(b, m, n, &residual), plane(b, m, n, &dy), plane(b, m, k, &skip));
        let (x, residual, dy, skip) = planes;
        let before = plane(b, m, k, &before);
        let (w, bias) = (weights(b, k, n, &w), weights(b, 1, n, &bias));
        let (y, pre, dx_out) = (unwritten(b, m, n), unwritten(b, m, n), unwritten(b, m, k));
        let parameters = Gradients::new(b, (k, n), case.bias.then_some((1, n)), case.start);
        let forward_args = Forward {
            x: &x,
            w: &w,
            bias: case.bias.then_some(&bias),
            residual: case.residual.then_some(&residual),
            y: &y,
            pre: case.gelu.then_some(&pre),
        };
        forward(b, &forward_args).unwrap();
        let backward_args = Backward {
            x: &x,
            w: &w,
            dy: &dy,
            pre: Some(&before),
            skip: Some(&skip),
            dx: Some(&dx_out),
            parameters: &parameters.target,
        };
        backward(b, &backward_args).unwrap();
        run(b);

        // Bias, residual and skip round once each. GELU's slope is at most 1.13, its own error 2.2e-7 of its argument, that of
        // its slope 4e-7 (see `gelu_accuracy`).
        let pre_tolerance = sum(k, x_max * w_max) + EPS * max_abs(&expected.pre);
        let y_tolerance = 1.13 * pre_tolerance + 2.2e-7 * max_abs(&expected.pre) + EPS * max_abs(&expected.y);
        let dx_tolerance = 1.13 * sum(n, dy_max * w_max) + 4e-7 * max_abs(&gradient.dx) + EPS * max_abs(&dx);
        if case.gelu {
            assert_close(&what("pre"), &read(b, &pre), &expected.pre, pre_tolerance);
        }
        assert_close(&what("y"), &read(b, &y), &expected.y, y_tolerance);
        assert_close(&what("dx"), &read(b, &dx_out), &dx, dx_tolerance);
        let start = f64::from(case.start.unwrap_or(0.0));
        let plus = |d: &[f64]| d.iter().map(|v| v + start).collect::<Vec<_>>();
        let (dw, db) = parameters.read(gpu);
        // Slices bound the length of a running sum at 1,024. A sum that grows far beyond its terms is good to 2e-6 of the largest
        // (measured: 9e-7 on a driver without fused multiply-add).
        let long_sum = |size: f64, all: &[f64]| sum(m.min(1024), size) + 2e-6 * max_abs(all);
        assert_close(&what("dw"), &dw, &plus(&gradient.dw), long_sum(x_max * dy_max, &gradient.dw));
        if case.bias {
            assert_close(&what("dbias"), &db, &plus(&gradient.db), long_sum(dy_max, &gradient.db));
        }
    }
}

/// gelu(x) = x Phi(x): an error of 2e-7 in erf is 1e-7 |x| here; and its derivative, through dx with a unit weight.
fn gelu_accuracy(gpu: &Gpu) {
    let count = 4001;
    let x: Vec<f32> = (0..count).map(|i| (i as f32 - 2000.0) / 200.0).collect();
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let (input, one, ones) =
            (plane(b, count, 1, &x), weights(b, 1, 1, &[1.0]), plane(b, count, 1, &vec![1.0; count]));
        let (y, pre, dx) = (unwritten(b, count, 1), unwritten(b, count, 1), unwritten(b, count, 1));
        let parameters = Gradients::new(b, (1, 1), None, None);
        forward(b, &Forward { x: &input, w: &one, bias: None, residual: None, y: &y, pre: Some(&pre) }).unwrap();
        let args = Backward {
            x: &input,
            w: &one,
            dy: &ones,
            pre: Some(&pre),
            skip: None,
            dx: Some(&dx),
            parameters: &parameters.target,
        };
        backward(b, &args).unwrap();
        run(b);
        for (i, (&y, &dx)) in read(b, &y).iter().zip(&read(b, &dx)).enumerate() {
            let at = f64::from(x[i]);
            let (value, slope) = (reference::gelu(at), reference::gelu_derivative(at));
            assert!(
                (f64::from(y) - value).abs() <= 1e-7 * at.abs() + 1.2e-7 * value.abs() + 1e-9,
                "gelu({at}) = {y}, not {value}"
            );
            assert!((f64::from(dx) - slope).abs() <= 4e-7, "gelu'({at}) = {dx}, not {slope}");
        }
    }
}

/// Sums of ones, exact in any order, up to the last that is served and at the first that is not.
fn long_sums(gpu: &Gpu) {
    let b = &mut Builder::new(gpu, Placement::Buffer);
    let longest = if gpu.tuning().target == Target::Cpu { 128_000 } else { 85_312 };
    for k in [70_000, longest - 1, longest] {
        let (x, w) = (plane(b, 1, k, &vec![1.0; k]), weights(b, k, 1, &vec![1.0; k]));
        let (y, dx) = (unwritten(b, 1, 1), unwritten(b, 1, 1));
        forward(b, &Forward { x: &x, w: &w, bias: None, residual: None, y: &y, pre: None }).unwrap();
        let (one, wide) = (plane(b, 1, 1, &[0.0]), weights(b, 1, k, &vec![1.0; k]));
        let parameters = Gradients::new(b, (1, k), None, None);
        let parameters = &parameters.target;
        backward(b, &Backward { x: &one, w: &wide, dy: &x, pre: None, skip: None, dx: Some(&dx), parameters }).unwrap();
        run(b);
        assert_eq!((read(b, &y), read(b, &dx)), (vec![k as f32], vec![k as f32]), "{k} products");
    }
    for k in [longest + 1, 300_000] {
        let (x, w, y) = (unwritten(b, 1, k), weights(b, k, 1, &vec![1.0; k]), unwritten(b, 1, 1));
        let refused = forward(b, &Forward { x: &x, w: &w, bias: None, residual: None, y: &y, pre: None });
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(&format!("a sum of {k} products")) && text.contains("32000"), "{text}");
        assert!(b.program.commands().is_empty());
    }
}

/// A product of more than a submission's work is cut between workgroups: four of a quarter of the rows give the same bits.
fn pieces(gpu: &Gpu) {
    let (m, k, n) = (2048, 520, 520);
    let (x_values, w_values) = (normal(1, m * k), normal(2, k * n));
    let b = &mut Builder::new(gpu, Placement::Texture);
    let w = weights(b, k, n, &w_values);
    let product = |b: &mut Builder, values: &[f32]| {
        let rows = values.len() / k;
        let (x, y) = (plane(b, rows, k, values), unwritten(b, rows, n));
        forward(b, &Forward { x: &x, w: &w, bias: None, residual: None, y: &y, pre: None }).unwrap();
        let dispatches = b.program.commands().len();
        run(b);
        (dispatches, read(b, &y))
    };
    let (dispatches, whole) = product(b, &x_values);
    assert!(gpu.caps().adapter.class != AdapterClass::Software || dispatches > 1, "{dispatches}");
    let quarters = x_values.chunks(m / 4 * k).flat_map(|part| product(b, part).1);
    assert!(whole.iter().map(|y| y.to_bits()).eq(quarters.map(|y| y.to_bits())));
}
