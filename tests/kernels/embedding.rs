//! `nn/embedding`: forward and gradients.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::embedding::{Backward, Forward, backward, forward};
use aft_wgpu::reference::Dims;
use aft_wgpu::reference::nn::embedding as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::training::{Ring, whole};
use crate::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "embedding::odd_shapes", |gpu| {
            for (b, t, d, vocabulary) in [(1, 1, 1, 1), (2, 3, 5, 7), (3, 65, 33, 300), (8, 64, 64, 256)] {
                let tokens = whole(1, b * t, vocabulary);
                check(gpu, Dims { b, t, d }, vocabulary, &tokens, None);
            }
        }),
        trial(gpu, "embedding::gradients_accumulate", |gpu| {
            check(gpu, Dims { b: 5, t: 13, d: 6 }, 9, &whole(2, 65, 9), Some(2.5));
        }),
        // More rows of one token than some drivers let a loop run.
        trial(gpu, "embedding::one_token_for_all_rows", |gpu| {
            let dims = Dims { b: 70, t: 1000, d: 3 };
            check_in(gpu, Placement::Buffer, dims, 5, &[3; 70_000], None);
            let dims = Dims { b: 300, t: 1000, d: 1 };
            check_in(gpu, Placement::Buffer, dims, 5, &[3; 300_000], None);
        }),
        // Wider than one lane may run over; then than 32 lanes may.
        trial(gpu, "embedding::wide_rows_are_right_or_refused", |gpu| {
            check_in(gpu, Placement::Buffer, Dims { b: 1, t: 1, d: 280_000 }, 1, &[0], None);
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let ring = Ring::new(gpu, 1, &[0], &[0]);
            let (table, x) = (weights(b, 1, 4_096_001, &vec![0.0; 4_096_001]), unwritten(b, 1, 4_096_001));
            let args = Forward { batch: ring.batch(), token: &table, position: &table, length: 1, x: &x };
            assert!(forward(b, &args).unwrap_err().to_string().contains("embedding needs 32001"));
        }),
        trial(gpu, "embedding::hostile_values", hostile_values),
        trial(gpu, "embedding::shapes_are_checked", shapes_are_checked),
    ]
}

fn check(gpu: &Gpu, dims: Dims, vocabulary: u32, tokens: &[u32], start: Option<f32>) {
    for placement in PLACEMENTS {
        check_in(gpu, placement, dims, vocabulary, tokens, start);
    }
}

fn check_in(gpu: &Gpu, placement: Placement, dims: Dims, vocabulary: u32, tokens: &[u32], start: Option<f32>) {
    let Dims { b: batch, t, d } = dims;
    let (rows, tokens_len) = (batch * t, vocabulary as usize);
    // The table of positions is longer than the sequence.
    let positions = t + 2;
    let (table, position, dx) = (normal(1, tokens_len * d), normal(2, positions * d), normal(3, rows * d));
    let expected = reference::forward(dims, tokens, &f64s(&table), &f64s(&position)[..t * d]);
    let mut gradient = reference::gradient(dims, tokens_len, tokens, &f64s(&dx));
    gradient.d_position.resize(positions * d, 0.0);
    let b = &mut Builder::new(gpu, placement);
    let what = |name: &str| format!("{name} {placement:?} {dims:?}");
    let ring = Ring::new(gpu, vocabulary, tokens, tokens);
    let (token, position) = (weights(b, tokens_len, d, &table), weights(b, positions, d, &position));
    let (x, dx) = (unwritten(b, rows, d), plane(b, rows, d, &dx));
    let tables = Gradients::new(b, (tokens_len, d), Some((positions, d)), start);
    let length = t as u32;
    forward(b, &Forward { batch: ring.batch(), token: &token, position: &position, length, x: &x }).unwrap();
    let tables_of =
        Backward { batch: ring.batch(), length, positions: positions as u32, dx: &dx, tables: &tables.target };
    backward(b, &tables_of).unwrap();
    run(b);

    // One rounding of a sum of two normal numbers, below 12.
    assert_close(&what("x"), &read(b, &x), &expected.x, 6.0 * f64::from(f32::EPSILON));
    let (d_token, d_position) = tables.read(gpu);
    let plus = |d: &[f64]| d.iter().map(|v| v + f64::from(start.unwrap_or(0.0))).collect::<Vec<_>>();
    // Roundings of a random walk of at most `rows` steps, relative to its extent.
    let unit = f64::from(f32::EPSILON) * (rows as f64).sqrt().max(2.0) * 2.0;
    assert_close(&what("d_token"), &d_token, &plus(&gradient.d_token), unit);
    assert_close(&what("d_position"), &d_position, &plus(&gradient.d_position), unit);
}

/// Rows of large, denormal and signed zero values, and rows of NaN that no token reads: both tables, and their gradients.
fn hostile_values(gpu: &Gpu) {
    let values = [1e30, -1e30, 1e-41, -1e-45, 0.0, -0.0, f32::MIN_POSITIVE];
    let d = values.len();
    // Where denormals are flushed, up to the smallest normal number is lost.
    let near = |x: f32| f64::from(f32::MIN_POSITIVE) + f64::from(f32::EPSILON) * f64::from(x).abs();
    for placement in PLACEMENTS {
        let b = &mut Builder::new(gpu, placement);
        let ring = Ring::new(gpu, 3, &[1, 1], &[0, 0]);
        let unread = [f32::NAN; 7];
        let token = weights(b, 3, d, &[unread, values, unread].concat());
        let position = weights(b, 3, d, &[[0.0; 7], [-0.0; 7], unread].concat());
        let (x, dx) = (unwritten(b, 2, d), plane(b, 2, d, &[values, [0.0; 7]].concat()));
        forward(b, &Forward { batch: ring.batch(), token: &token, position: &position, length: 2, x: &x }).unwrap();
        let tables = Gradients::new(b, (3, d), Some((3, d)), None);
        let target = &tables.target;
        backward(b, &Backward { batch: ring.batch(), length: 2, positions: 3, dx: &dx, tables: target }).unwrap();
        run(b);
        let (d_token, d_position) = tables.read(gpu);
        let nothing = [0.0; 7];
        for (what, got, expected) in [
            ("x", read(b, &x), [values, values].concat()),
            ("d_token", d_token, [nothing, values, nothing].concat()),
            ("d_position", d_position, [values, nothing, nothing].concat()),
        ] {
            for (got, expected) in got.iter().zip(expected) {
                assert_close(&format!("{what} {placement:?}"), &[*got], &[expected.into()], near(expected));
            }
        }
    }
}

fn shapes_are_checked(gpu: &Gpu) {
    let b = &mut Builder::new(gpu, PLACEMENTS[0]);
    let ring = Ring::new(gpu, 5, &[0; 12], &[0; 12]);
    let (token, position) = (weights(b, 5, 3, &[0.0; 15]), weights(b, 4, 3, &[0.0; 12]));
    let x = unwritten(b, 12, 3);
    let mut refused = |length: u32, slots: u32| {
        let batch = aft_wgpu::ops::nn::batch::Batch { slots, ..ring.batch() };
        forward(b, &Forward { batch, token: &token, position: &position, length, x: &x }).map_err(|e| e.to_string())
    };
    assert_eq!(refused(4, 3), Ok(()));
    for length in [0, 5, 6] {
        let error = refused(length, 3).unwrap_err();
        assert!(
            error.starts_with("embedding: length of a sequence in positions: expected a divisor of 12 rows"),
            "{error}"
        );
    }
    assert!(refused(4, 4).unwrap_err().contains("ring of batches"));
}
