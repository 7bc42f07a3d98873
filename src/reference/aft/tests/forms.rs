//! Gradients, sums and samples of every form, causal or not, with and without a mask.
use super::*;
use crate::reference::{
    aft::{Forward, Gradient, factors, mix, sample, sigmoid},
    differences::{assert_close, assert_gradient, dot},
};

/// Runs `check` on every form with its inputs, with and without a mask.
fn each(check: impl Fn(&Form, &Case, Inputs, &str)) {
    let mask = mask();
    for causal in [true, false] {
        for form in forms(causal) {
            let case = Case::of(&form);
            for mask in [None, Some(&mask[..])] {
                let name = format!("{} causal {causal} mask {}", form.name, mask.is_some());
                check(&form, &case, case.inputs(&form, causal, mask), &name);
            }
        }
    }
}

#[test]
fn gradients_are_the_central_differences() {
    each(|form, case, inputs, name| {
        let loss = |inputs: Inputs, w: &[f64]| dot(&mix::forward(&inputs, &*form.layout, w).y, &case.dy);
        for q in [Some(&case.q[..]), None] {
            let inputs = Inputs { q, ..inputs };
            let grad = mix::gradient(&inputs, &*form.layout, &case.w, &case.dy);
            assert_gradient(&format!("{name}: dk"), &grad.dk, &case.k, |k| loss(Inputs { k, ..inputs }, &case.w));
            assert_gradient(&format!("{name}: dv"), &grad.dv, &case.v, |v| loss(Inputs { v, ..inputs }, &case.w));
            if !case.w.is_empty() {
                assert_gradient(&format!("{name}: dw"), &grad.dw, &case.w, |w| loss(inputs, w));
            }
            match q {
                None => assert_eq!(grad.dq, vec![0.0; DIMS.size()]),
                Some(q) => assert_gradient(&format!("{name}: dq"), &grad.dq, q, |q| {
                    loss(Inputs { q: Some(q), ..inputs }, &case.w)
                }),
            }
        }
    });
}

#[test]
fn gradients_of_the_factors_are_the_central_differences() {
    let rank = 3;
    let (u, v) = (normal(1, DIMS.t * rank), normal(2, DIMS.t * rank));
    let of_pairs = |form: &Form| form.name == "full" || form.name.starts_with("local");
    for form in [true, false].into_iter().flat_map(forms).filter(of_pairs) {
        let dw = normal(3, form.layout.size());
        if dw.is_empty() {
            continue;
        }
        let grad = factors::gradient(&*form.layout, rank, &u, &v, &dw);
        let loss = |u: &[f64], v: &[f64]| dot(&factors::forward(&*form.layout, rank, u, v), &dw);
        assert_gradient("du", &grad.du, &u, |u| loss(u, &v));
        assert_gradient("dv", &grad.dv, &v, |v| loss(&u, v));
    }
}

/// The paper's formulas over all pairs, without regard for overflow: no prefix sums, no reach.
#[test]
fn running_sums_stand_for_the_pairs() {
    each(|form, case, inputs, name| {
        let zeros = vec![0.0; DIMS.size()];
        let mut y = zeros.clone();
        let mut log_den = vec![f64::NEG_INFINITY; DIMS.size()];
        let mut expected =
            Gradient { dq: zeros.clone(), dk: vec![0.0; case.k.len()], dv: zeros, dw: vec![0.0; case.w.len()] };
        for (b, d, t) in DIMS.sequences().flat_map(|(b, d)| (0..DIMS.t).map(move |t| (b, d, t))) {
            let head = d / inputs.head_size();
            let sees = |key: &usize| (*key <= t || !inputs.causal) && inputs.mask.is_none_or(|m| m[b * DIMS.t + key]);
            let at_key = |key| inputs.key_dims().at(b, key, head);
            let weight = |key| {
                let w = form.layout.entry(head, t, key).map_or(0.0, |entry| case.w[entry]);
                (case.k[at_key(key)] + w).exp()
            };
            let keys: Vec<_> = (0..DIMS.t).filter(sees).collect();
            if keys.is_empty() {
                continue;
            }
            let den: f64 = keys.iter().map(|&key| weight(key)).sum();
            let mean = keys.iter().map(|&key| weight(key) * case.v[DIMS.at(b, key, d)]).sum::<f64>() / den;
            let i = DIMS.at(b, t, d);
            let gate = sigmoid(case.q[i]);
            (y[i], log_den[i]) = (gate * mean, den.ln());
            expected.dq[i] = case.dy[i] * mean * gate * (1.0 - gate);
            for key in keys {
                let pg = weight(key) / den * case.dy[i] * gate;
                let d_exponent = pg * (case.v[DIMS.at(b, key, d)] - mean);
                expected.dv[DIMS.at(b, key, d)] += pg;
                expected.dk[at_key(key)] += d_exponent;
                if let Some(entry) = form.layout.entry(head, t, key) {
                    expected.dw[entry] += d_exponent;
                }
            }
        }
        let out = mix::forward(&inputs, &*form.layout, &case.w);
        let grad = mix::gradient(&inputs, &*form.layout, &case.w, &case.dy);
        assert_close(name, &out.y, &y, 1e-14);
        assert!(out.log_den.iter().zip(&log_den).all(|(a, e)| a == e || (a - e).abs() < 1e-13), "{name}: log_den");
        for (actual, expected) in
            [(&grad.dq, &expected.dq), (&grad.dk, &expected.dk), (&grad.dv, &expected.dv), (&grad.dw, &expected.dw)]
        {
            assert_close(name, actual, expected, 1e-13);
        }
    });
}

#[test]
fn samples_are_parts_of_the_whole() {
    each(|form, case, inputs, name| {
        let layout = &*form.layout;
        let whole = mix::forward(&inputs, layout, &case.w);
        let grad = mix::gradient(&inputs, layout, &case.w, &case.dy);

        let Forward { y, log_den } = sample::rows(&inputs, layout, &case.w, &[0, 4, 11]);
        let part = |all: &[f64]| -> Vec<f64> {
            let row = |b, t| all[DIMS.at(b, t, 0)..][..DIMS.d].to_vec();
            [(0, 0), (0, 4), (0, 11), (1, 0), (1, 4), (1, 11)].into_iter().flat_map(|(b, t)| row(b, t)).collect()
        };
        assert_eq!((y, log_den), (part(&whole.y), part(&whole.log_den)), "{name}");

        let (b, head, size) = (0, form.heads - 1, inputs.head_size());
        let sample = sample::head(&inputs, layout, &case.w, &case.dy, b, head);
        for t in 0..DIMS.t {
            let channels = DIMS.at(b, t, head * size)..DIMS.at(b, t, head * size) + size;
            assert_eq!(sample.dk[t], grad.dk[inputs.key_dims().at(b, t, head)], "{name}");
            assert_eq!(sample.dv[t * size..][..size], grad.dv[channels.clone()], "{name}");
            assert_eq!(sample.dq[t * size..][..size], grad.dq[channels], "{name}");
        }

        let some: Vec<_> = (0..case.w.len()).rev().step_by(3).collect();
        let dw = sample::entries(&inputs, layout, &case.w, &case.dy, &some);
        let expected: Vec<_> = some.iter().map(|&entry| grad.dw[entry]).collect();
        assert_close(name, &dw, &expected, 1e-14);
    });
}

#[test]
fn entries_and_keys_are_inverse_and_within_reach() {
    for (causal, form) in [true, false].into_iter().flat_map(|c| forms(c).into_iter().map(move |form| (c, form))) {
        let (layout, (before, after)) = (&*form.layout, form.layout.reach());
        for (head, t, key) in (0..form.heads * 144).map(|i| (i / 144, i / 12 % 12, i % 12)) {
            let Some(entry) = layout.entry(head, t, key) else { continue };
            assert!(entry < layout.size(), "{} causal {causal}", form.name);
            assert_eq!(layout.key(entry, t), Some(key), "{}", form.name);
            assert!(layout.head(entry).is_none_or(|of| of == head), "{}", form.name);
            assert!(t <= key + before && key <= t + after, "{}", form.name);
        }
        for (entry, t) in (0..layout.size()).flat_map(|entry| (0..12).map(move |t| (entry, t))) {
            if let Some(key) = layout.key(entry, t).filter(|key| *key < 12) {
                assert_eq!(layout.entry(layout.head(entry).unwrap_or(0), t, key), Some(entry), "{}", form.name);
            }
        }
    }
}

#[test]
fn a_key_that_does_not_count_is_not_read() {
    each(|form, case, inputs, name| {
        let Some(mask) = inputs.mask else { return };
        let masked = |values: &[f64], width: usize| -> Vec<f64> {
            values.iter().enumerate().map(|(i, x)| if mask[i / width] { *x } else { f64::NAN }).collect()
        };
        let (k, v) = (masked(&case.k, form.heads), masked(&case.v, DIMS.d));
        let poisoned = Inputs { k: &k, v: &v, ..inputs };
        let run = |inputs: &Inputs| {
            let forward = mix::forward(inputs, &*form.layout, &case.w);
            (forward, mix::gradient(inputs, &*form.layout, &case.w, &case.dy))
        };
        let (forward, grad) = run(&poisoned);
        assert_eq!((&forward, &grad), (&run(&inputs).0, &run(&inputs).1), "{name}");
        let zero = |values: &[f64], width: usize, is: &dyn Fn(usize) -> bool| {
            values.iter().enumerate().all(|(i, x)| !is(i / width) || *x == 0.0)
        };
        assert!(zero(&grad.dk, form.heads, &|row| !mask[row]) && zero(&grad.dv, DIMS.d, &|row| !mask[row]), "{name}");
        let without_key = |row| row >= DIMS.t || inputs.causal && row == 0;
        assert!(zero(&forward.y, DIMS.d, &without_key) && zero(&grad.dq, DIMS.d, &without_key), "{name}");
    });
}

/// 131,072 positions with k = 0: a causal row is the mean of the values so far, and dv sums the weights 1 / (t + 1).
#[test]
fn long_sequences_cost_what_the_window_costs() {
    let dims = Dims { b: 1, t: 131_072, d: 1 };
    let (window, rows) = (4, [5, 70_000, 131_071]);
    let (k, v): (_, Vec<f64>) = (vec![0.0; dims.t], (0..dims.t).map(|t| t as f64).collect());
    let (inputs, layout) = (Inputs::new(dims, true, None, &k, &v), Band { t: dims.t, window, causal: true });
    let suppressed = sample::rows(&inputs, &layout, &vec![-1e4; dims.t * window], &rows).y;
    for (y, t) in suppressed.iter().zip(rows) {
        assert!((y / ((t - window) as f64 / 2.0) - 1.0).abs() < 1e-12, "row {t}: {y}");
    }
    let w = vec![0.0; dims.t * window];
    let sample::Head { dk, dv, .. } = sample::head(&inputs, &layout, &w, &v, 0, 0);
    let (mut of_g, mut of_gr) = (0.0, 0.0);
    for t in (0..dims.t).rev() {
        of_g += v[t] / (t + 1) as f64;
        of_gr += v[t] / (t + 1) as f64 * (v[t] / 2.0);
        assert!((dv[t] - of_g).abs() < 1e-12 * dims.t as f64);
        // The subtracted sums are of order T squared.
        assert!((dk[t] - (v[t] * of_g - of_gr)).abs() < 1e-12 * (dims.t * dims.t) as f64);
    }
    let entry = 70_000 * window + 1;
    let dw = sample::entries(&inputs, &layout, &w, &v, &[entry])[0];
    assert!((dw / (70_000.0 / 70_001.0 * (69_998.0 - 35_000.0)) - 1.0).abs() < 1e-12, "{dw}");
}
