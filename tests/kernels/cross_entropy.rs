//! `nn/cross_entropy`: the loss and its gradient.

use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::batch::IGNORED;
use aft_wgpu::ops::nn::cross_entropy::{Gradient, Loss, forward};
use aft_wgpu::reference::nn::cross_entropy as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::training::{Floats, Ring, whole};
use crate::trial;

const EPS: f64 = f32::EPSILON as f64;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "cross_entropy::odd_shapes", |gpu| {
            for (m, v) in [(1, 1), (3, 5), (65, 33), (130, 129), (512, 256), (7, 1003)] {
                check(gpu, m, v, &normal(1, m * v), &whole(2, m, v as u32), None);
            }
        }),
        trial(gpu, "cross_entropy::hostile_logits", |gpu| {
            let (m, v) = (66, 70);
            let targets = whole(3, m, v as u32);
            for scale in [1e-3, 5.0, 40.0, 1e4, 1e30] {
                let logits: Vec<f32> = normal(4, m * v).iter().map(|x| scale * x).collect();
                check(gpu, m, v, &logits, &targets, None);
            }
            for offset in [-1e4, 1e4] {
                let logits: Vec<f32> = normal(5, m * v).iter().map(|x| offset + x).collect();
                check(gpu, m, v, &logits, &targets, None);
            }
        }),
        // The pivot moves as often as it can, in each order.
        trial(gpu, "cross_entropy::rising_and_falling_logits", |gpu| {
            let v = 2000;
            for slope in [1e-3, -1e-3, 2.1, -2.1, 8.01, -8.01] {
                let logits: Vec<f32> = (0..v).map(|c| slope * c as f32).collect();
                check(gpu, 1, v, &logits, &[1234], None);
            }
        }),
        trial(gpu, "cross_entropy::ignored_rows_and_accumulation", |gpu| {
            let targets = [3, IGNORED, 0, 6, IGNORED];
            check(gpu, 5, 7, &normal(6, 35), &targets, Some(2.5));
            check(gpu, 5, 7, &normal(6, 35), &targets, None);
        }),
        trial(gpu, "cross_entropy::not_finite_shows", not_finite_shows),
        // More tokens than some drivers let the loops of one lane run over; then more than 32 lanes may take.
        trial(gpu, "cross_entropy::large_vocabularies_are_right_or_refused", |gpu| {
            let v = 140_000;
            check_in(gpu, Placement::Buffer, 1, v, &normal(8, v), &[139_999], None);
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let v = 2_047_233;
            let ring = Ring::new(gpu, v, &[0], &[0]);
            let (logits, losses) = (unwritten(b, 1, v as usize), Floats::new(gpu, &[0.0]));
            let refused = forward(
                b,
                &Loss {
                    logits: &logits,
                    batch: ring.batch(),
                    losses: &losses.buffer,
                    accumulate: false,
                    gradient: None,
                },
            );
            assert!(refused.unwrap_err().to_string().contains("needs 32002"));
        }),
    ]
}

fn check(gpu: &Gpu, m: usize, v: usize, logits: &[f32], targets: &[u32], start: Option<f32>) {
    for placement in PLACEMENTS {
        check_in(gpu, placement, m, v, logits, targets, start);
    }
}

fn check_in(gpu: &Gpu, placement: Placement, m: usize, v: usize, logits: &[f32], targets: &[u32], start: Option<f32>) {
    let scale = 0.25;
    let wide = f64s(logits);
    let plus = f64::from(start.unwrap_or(0.0));
    let losses: Vec<f64> = reference::forward(m, v, &wide, targets).loss.iter().map(|l| l + plus).collect();
    let gradient = reference::gradient(m, v, &wide, targets, f64::from(scale)).dlogits;
    // Rounding of differences of logits, of the sum and of its logarithm; exp is off by (3 + 2 |x|) 2^-24, of which what
    // counts has |x| below log V + SLACK.
    let loss_unit = EPS * (16.0 + 2.0 * (v as f64).ln());
    let gradient_unit = f64::from(scale) * EPS * (24.0 + 2.0 * (v as f64).ln());
    for with_gradient in [true, false] {
        let b = &mut Builder::new(gpu, placement);
        let what = |name: &str| format!("{name} {placement:?} [{m}, {v}]");
        let tokens = vec![0; m];
        let ring = Ring::new(gpu, v as u32, &tokens, targets);
        let (logits, dlogits) = (plane(b, m, v, logits), unwritten(b, m, v));
        let losses_out = Floats::new(gpu, &vec![start.unwrap_or(f32::NAN); m]);
        let loss = Loss {
            logits: &logits,
            batch: ring.batch(),
            losses: &losses_out.buffer,
            accumulate: start.is_some(),
            gradient: with_gradient.then_some(Gradient { dlogits: &dlogits, scale }),
        };
        forward(b, &loss).unwrap();
        run(b);

        let got = losses_out.read(gpu);
        for row in 0..m {
            let tolerance = loss_unit * losses[row].abs().max(1.0);
            assert_close(&what(&format!("loss of row {row}")), &got[row..=row], &losses[row..=row], tolerance);
        }
        if with_gradient {
            assert_close(&what("dlogits"), &read(b, &dlogits), &gradient, gradient_unit);
        }
    }
}

/// NaN and infinity must reach the gradient, where the norm finds them.
fn not_finite_shows(gpu: &Gpu) {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut logits = normal(7, 33);
        logits[20] = bad;
        let b = &mut Builder::new(gpu, PLACEMENTS[0]);
        let ring = Ring::new(gpu, 33, &[0], &[4]);
        let (logits, dlogits) = (plane(b, 1, 33, &logits), unwritten(b, 1, 33));
        let losses = Floats::new(gpu, &[0.0]);
        let gradient = Some(Gradient { dlogits: &dlogits, scale: 1.0 });
        let loss = Loss { logits: &logits, batch: ring.batch(), losses: &losses.buffer, accumulate: false, gradient };
        forward(b, &loss).unwrap();
        run(b);
        assert!(read(b, &dlogits).iter().any(|d| !d.is_finite()), "{bad} leaves a finite gradient");
        assert!(!losses.read(gpu)[0].is_finite(), "{bad} leaves a finite loss");
    }
}
