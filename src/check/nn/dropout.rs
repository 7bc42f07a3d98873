//! Dropout: the kept elements are exactly those of the reference.

use super::compare::{Case, EPS, largest, wide};
use crate::check::cases::normal;
use crate::check::judge::Verdict;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::ops::nn::dropout::{Dropout, forward};
use crate::ops::nn::train_state::TrainState;
use crate::reference::nn::dropout::{self as reference, Mask};

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let mask = Mask { cols: 129, site: 3, step: 11, seed: 42, rate: 0.25 };
    let (rows, cols) = (130, mask.cols);
    let x = normal(1, rows * cols);
    let truth = reference::forward(&mask, &wide(&x)).y;
    let state = TrainState { step: mask.step, ..TrainState::new(mask.seed) };
    let state = bench.b.gpu.upload("state", &[state])?;
    let (x, y) = (bench.plane(rows, cols, &x)?, bench.unwritten(rows, cols)?);
    let Mask { site, rate, .. } = mask;
    forward(&mut bench.b, &Dropout { x: &x, residual: None, state: Some(&state), site, rate, y: &y })?;
    bench.run().await?;
    // The product and the factor round once each. A wrong choice is off by a whole element.
    let near = |i: usize| 2.0 * EPS * truth[i].abs() + f64::from(f32::MIN_POSITIVE);
    Ok(vec![(
        format!("[{rows}, {cols}]"),
        vec![Verdict::of("y", &bench.read(&y).await?, &truth, largest(&truth), near)],
    )])
}
