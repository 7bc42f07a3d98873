//! Mistakes of other implementations of AFT, each with the value that it would give. More are in
//! [`simple`](super::super::simple) and [`local`](super::super::local).
use super::*;
use crate::reference::aft::{kernel_norm, mix};

/// y of one sequence with one channel, without a gate.
fn y(causal: bool, layout: &dyn Layout, w: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
    let dims = Dims { b: 1, t: k.len(), d: 1 };
    mix::forward(&Inputs::new(dims, causal, None, k, v), layout, w).y
}

#[track_caller]
fn assert_near(actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len());
    let near = actual.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-14 * e.abs().max(1.0));
    assert!(near, "{actual:?}, expected {expected:?}");
}

/// e^(k w) instead of e^(k + w) gives 2 for zero keys, and a bias of 0 would remove the effect of the keys.
#[test]
fn the_bias_is_added_and_does_not_multiply() {
    let w = 3.0_f64.ln();
    assert_near(&y(false, &Dense { t: 2 }, &[0.0, w, 0.0, w], &[0.0; 2], &[0.0, 4.0]), &[3.0; 2]);
    assert_near(&y(false, &Dense { t: 2 }, &[0.0; 4], &[0.0, w], &[0.0, 4.0]), &[3.0; 2]);
}

/// A window [t - s, t + s), or one of s keys on either side, would leave other keys when the window is suppressed.
#[test]
fn the_window_holds_less_than_s_on_either_side() {
    let v = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
    for window in 1..4 {
        let layout = Band { t: 7, window, causal: false };
        let actual = y(false, &layout, &vec![-1e4; layout.size()], &[0.0; 7], &v);
        for (t, y) in actual.iter().enumerate() {
            let outside: Vec<_> = (0..7usize).filter(|key| key.abs_diff(t) >= window).map(|key| v[key]).collect();
            let kept = if outside.is_empty() { &v[..] } else { &outside };
            assert_near(&[*y], &[kept.iter().sum::<f64>() / kept.len() as f64]);
        }
    }
}

/// A maximum of w per key, over rows, does not cancel: row 0 would weight its keys 1 : e^-5, row 1 equally.
#[test]
fn the_maximum_is_that_of_the_row() {
    let w = [0.0, 0.0, 0.0, 5.0];
    let e5 = 5.0_f64.exp();
    assert_near(&y(false, &Dense { t: 2 }, &w, &[0.0; 2], &[0.0, 1.0]), &[0.5, e5 / (1.0 + e5)]);
}

/// A convolution of k instead of e^k would give a key of 0 no weight.
#[test]
fn conv_weighs_the_exponential_of_the_keys() {
    let w = 3.0_f64.ln();
    let line = conv::Line { heads: 1, window: 3, causal: false };
    // Weights of row 1: 1, e^w, 1; of row 0: e^w, 1, 1.
    let actual = y(false, &line, &[0.0, w, 0.0], &[0.0; 3], &[0.0, 5.0, 10.0]);
    assert_near(&actual, &[3.0, 5.0, 7.0]);
}

/// Without the "- 1" of e^w - 1, a tap would count its key twice: 2/3 of the sum instead of half.
#[test]
fn a_tap_of_zero_changes_nothing() {
    let line = conv::Line { heads: 1, window: 1, causal: false };
    assert_eq!(y(false, &line, &[0.0], &[0.0; 2], &[0.0, 1.0]), [0.5, 0.5]);
}

/// The whole sum minus the window rounds to 0 if the window suppresses a huge key; the true value is 1.
#[test]
fn conv_does_not_subtract_what_the_window_suppresses() {
    let line = conv::Line { heads: 1, window: 1, causal: false };
    assert_eq!(y(false, &line, &[-200.0], &[100.0, 0.0], &[1e9, 1.0])[0], 1.0);
}

/// Taps have a direction: the first is for the earliest key, causal or not.
#[test]
fn the_first_tap_is_for_the_earliest_key() {
    let (v, w) = ([1.0, 10.0, 100.0], [1e4, 0.0, 0.0]);
    let mean = 111.0 / 3.0;
    let line = |causal| conv::Line { heads: 1, window: 3, causal };
    assert_near(&y(false, &line(false), &w, &[0.0; 3], &v), &[mean, 1.0, 10.0]);
    assert_near(&y(true, &line(true), &w, &[0.0; 3], &v), &[1.0, 5.5, 1.0]);
}

/// On a grid, a window along time instead of along rows and columns would wrap around its edges.
#[test]
fn taps_do_not_wrap_around_the_edges_of_a_grid() {
    let grid = conv::Grid { heads: 1, window: 3, rows: 2, columns: 2 };
    // The tap to the right of a position, in its row.
    let mut w = [0.0; 9];
    w[5] = 1e4;
    let v = [1.0, 2.0, 4.0, 8.0];
    assert_eq!(y(false, &grid, &w, &[0.0; 4], &v), [2.0, 3.75, 8.0, 3.75]);
    assert_eq!(y(true, &grid, &w, &[0.0; 4], &v), [1.0, 1.5, 7.0 / 3.0, 3.75]);
}

/// A sum over no key is 0/0 unless it is tested for.
#[test]
fn a_row_without_keys_is_zero() {
    let (k, v, dims) = ([f64::NAN, 0.0], [f64::INFINITY, 3.0], Dims { b: 1, t: 2, d: 1 });
    let inputs = Inputs { mask: Some(&[false, true]), ..Inputs::new(dims, true, None, &k, &v) };
    assert_eq!(mix::forward(&inputs, &Dense { t: 2 }, &[0.0; 4]).y, [0.0, 3.0]);
    let grad = mix::gradient(&inputs, &Dense { t: 2 }, &[0.0; 4], &[1.0, 1.0]);
    assert_eq!((grad.dk, grad.dv, grad.dw), (vec![0.0; 2], vec![0.0, 1.0], vec![0.0; 4]));
}

/// A sample standard deviation, or an added epsilon, would not give -1 and 1; each head has its own.
#[test]
fn the_kernel_has_the_deviation_of_the_population_head_by_head() {
    let w = kernel_norm::forward(&[1.0, 3.0, 1e-9, 3e-9], &[2.0, 0.5], &[10.0, 0.0]);
    assert_near(&w, &[8.0, 12.0, -0.5, 0.5]);
}
