//! Forms that are special cases of each other, causal or not.
use super::*;
use crate::reference::{
    aft::{Gradient, kernel_norm, mix},
    differences::assert_close,
};

/// y and the gradients of q, k and v by name: the results in which two forms must agree.
fn results(inputs: &Inputs, layout: &dyn Layout, w: &[f64], dy: &[f64]) -> [(&'static str, Vec<f64>); 4] {
    let Gradient { dq, dk, dv, .. } = mix::gradient(inputs, layout, w, dy);
    [("y", mix::forward(inputs, layout, w).y), ("dq", dq), ("dk", dk), ("dv", dv)]
}

/// Asserts that two forms agree up to the order of sums.
#[track_caller]
fn assert_same(a: [(&'static str, Vec<f64>); 4], b: [(&'static str, Vec<f64>); 4]) {
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        assert_close(name, a, b, 1e-13);
    }
}

/// A case with one key per channel; `check` runs causal or not, with and without a mask.
fn each(check: impl Fn(Inputs, &[f64])) {
    let mask = mask();
    let case = Case::of(&Form { name: String::new(), heads: DIMS.d, layout: Box::new(NoBias) });
    for (causal, mask) in [(true, None), (false, None), (true, Some(&mask[..])), (false, Some(&mask[..]))] {
        check(Inputs { mask, causal, ..Inputs::new(DIMS, causal, Some(&case.q), &case.k, &case.v) }, &case.dy);
    }
}

/// The dense w `[T, T]` of a band.
fn dense(band: Band, w: &[f64]) -> Vec<f64> {
    let t = band.t;
    (0..t * t).map(|i| band.entry(0, i / t, i % t).map_or(0.0, |entry| w[entry])).collect()
}

#[test]
fn local_without_a_window_is_simple() {
    each(|inputs, dy| {
        let band = Band { t: DIMS.t, window: 0, causal: inputs.causal };
        assert_same(results(&inputs, &band, &[], dy), results(&inputs, &NoBias, &[], dy));
    });
}

#[test]
fn local_is_full_with_zeros_outside_the_window() {
    each(|inputs, dy| {
        let full = Dense { t: DIMS.t };
        for window in [0, 1, 5, 12, 14] {
            let band = Band { t: DIMS.t, window, causal: inputs.causal };
            let w = normal(5, band.size());
            let dense = dense(band, &w);
            assert_same(results(&inputs, &band, &w, dy), results(&inputs, &full, &dense, dy));
            let of_band = mix::gradient(&inputs, &band, &w, dy).dw;
            let of_full = mix::gradient(&inputs, &full, &dense, dy).dw;
            for (entry, pair) in of_full.iter().enumerate() {
                let (t, key) = (entry / DIMS.t, entry % DIMS.t);
                if let Some(entry) = band.entry(0, t, key) {
                    assert!((of_band[entry] - pair).abs() < 1e-13, "window {window}: dw of ({t}, {key})");
                }
            }
        }
    });
}

#[test]
fn causal_is_what_a_suppressed_future_is() {
    each(|inputs, dy| {
        if inputs.mask.is_some() {
            return; // A row whose every key is suppressed is their mean, one without keys is 0.
        }
        let (full, w) = (Dense { t: DIMS.t }, normal(5, DIMS.t * DIMS.t));
        let suppressed: Vec<_> =
            w.iter().enumerate().map(|(i, w)| if i % DIMS.t > i / DIMS.t { -1e30 } else { *w }).collect();
        let causal = results(&Inputs { causal: true, ..inputs }, &full, &w, dy);
        assert_same(causal, results(&Inputs { causal: false, ..inputs }, &full, &suppressed, dy));
    });
}

#[test]
fn conv_is_local_with_the_same_bias_in_every_row() {
    each(|inputs, dy| {
        for s in [1, 3, 12, 15] {
            let band = Band { t: DIMS.t, window: s, causal: inputs.causal };
            let line = conv::Line { heads: DIMS.d, window: band.width(), causal: inputs.causal };
            let kernel = normal(5, band.width());
            let (rows, heads) = (kernel.repeat(DIMS.t), kernel.repeat(DIMS.d));
            assert_same(results(&inputs, &line, &heads, dy), results(&inputs, &band, &rows, dy));
        }
    });
}

/// The keys of `heads` heads, repeated for each channel of a head.
fn repeated(k: &[f64], heads: usize) -> Vec<f64> {
    k.chunks(heads).flat_map(|row| (0..DIMS.d).map(|d| row[d / (DIMS.d / heads)])).collect()
}

#[test]
fn a_head_is_channels_of_one_key_and_one_kernel() {
    let heads = 3;
    each(|inputs, dy| {
        let k = normal(7, DIMS.b * DIMS.t * heads);
        let line = conv::Line { heads, window: 5, causal: inputs.causal };
        let kernel = normal(5, line.size());
        let alone = conv::Line { heads: DIMS.d, ..line };
        let of_channels: Vec<_> = (0..DIMS.d).flat_map(|d| kernel[d / 2 * 5..][..5].to_vec()).collect();
        let mut tied = results(&Inputs { heads, k: &k, ..inputs }, &line, &kernel, dy);
        let untied = results(&Inputs { k: &repeated(&k, heads), ..inputs }, &alone, &of_channels, dy);
        let sums: Vec<_> = untied[2].1.chunks(2).map(|dk| dk[0] + dk[1]).collect();
        assert_close("dk", &std::mem::replace(&mut tied[2].1, untied[2].1.clone()), &sums, 1e-13);
        assert_same(tied, untied);
    });
}

#[test]
fn a_grid_of_one_row_or_one_column_is_a_line() {
    each(|inputs, dy| {
        let (s, heads) = (5, DIMS.d);
        let square = normal(5, heads * s * s);
        // A causal pass reads the taps up to the middle one.
        let taps = if inputs.causal { s / 2 + 1 } else { s };
        let line = conv::Line { heads, window: taps, causal: inputs.causal };
        let middle = |head: usize, i: usize, across: bool| {
            let (i, j) = if across { (s / 2, i) } else { (i, s / 2) };
            square[(head * s + i) * s + j]
        };
        for (rows, columns) in [(1, DIMS.t), (DIMS.t, 1)] {
            let kernel: Vec<_> = (0..heads * taps).map(|n| middle(n / taps, n % taps, rows == 1)).collect();
            let grid = conv::Grid { heads, window: s, rows, columns };
            assert_same(results(&inputs, &grid, &square, dy), results(&inputs, &line, &kernel, dy));
        }
    });
}

#[test]
fn conv_with_gamma_and_beta_of_zero_is_simple() {
    each(|inputs, dy| {
        let grid = conv::Grid { heads: DIMS.d, window: 3, rows: 3, columns: 4 };
        let w = kernel_norm::forward(&normal(5, grid.size()), &[0.0; 6], &[0.0; 6]);
        assert_same(results(&inputs, &grid, &w, dy), results(&inputs, &NoBias, &[], dy));
    });
}

#[test]
fn sequences_of_a_batch_are_independent() {
    for causal in [true, false] {
        for form in forms(causal) {
            let case = Case::of(&form);
            let inputs = case.inputs(&form, causal, None);
            let whole = results(&inputs, &*form.layout, &case.w, &case.dy);
            let mut dw = vec![0.0; case.w.len()];
            for b in 0..DIMS.b {
                let part = |all: &[f64]| all[all.len() / DIMS.b * b..][..all.len() / DIMS.b].to_vec();
                let [q, k, v, dy] = [&case.q, &case.k, &case.v, &case.dy].map(|all| part(all));
                let dims = Dims { b: 1, ..DIMS };
                let alone = Inputs { dims, q: Some(&q), k: &k, v: &v, ..inputs };
                for ((name, alone), (_, whole)) in results(&alone, &*form.layout, &case.w, &dy).iter().zip(&whole) {
                    assert_eq!(*alone, part(whole), "{}: {name} of sequence {b}", form.name);
                }
                let of_one = mix::gradient(&alone, &*form.layout, &case.w, &dy).dw;
                dw.iter_mut().zip(of_one).for_each(|(sum, dw)| *sum += dw);
            }
            assert_close(&form.name, &mix::gradient(&inputs, &*form.layout, &case.w, &case.dy).dw, &dw, 1e-13);
        }
    }
}
