//! Dropout, with an optional residual added (`shaders/nn/dropout.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::trips::LANES;
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/nn/dropout.wgsl`.
    struct DropoutKernel = "nn/dropout", "dropout";
    fragments: ["grid", "run_time", "random", "train_state"],
    params: { rows: u32, width: u32, site: u32, threshold: u32, scale: f32 },
    operands: {
        read x: &'a Plane = "[M, D]",
        read residual: Option<&'a Plane> = "[M, D]",
        read state: Option<Array<'a, u32>> = "training state",
        write y: &'a Plane = "[M, D]",
    },
}

/// Operands of dropout. The gradient is the same call with dy as `x`.
pub struct Dropout<'a> {
    /// Input [M, D].
    pub x: &'a Plane,
    /// Added to the output [M, D].
    pub residual: Option<&'a Plane>,
    /// The training state ([`crate::ops::nn::train_state`]): its step and seed choose the mask. May be none only at
    /// rate 0.
    pub state: Option<&'a Buffer>,
    /// Number of this dropout in the model and micro-batch; unique in a step.
    pub site: u32,
    /// The probability that an element is dropped, in [0, 1).
    pub rate: f32,
    /// Output [M, D].
    pub y: &'a Plane,
}

/// Adds y = residual + mask x / (1 - rate). A dropped element gives 0 even if it is NaN. About 40 integer operations
/// and 12 bytes an element.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit x; [`crate::Error::Config`] if the rate is not in [0, 1);
/// [`crate::Error::LimitExceeded`] above 4,096,000 channels.
pub fn forward(b: &mut Builder, args: &Dropout<'_>) -> Result<()> {
    let Dropout { x, residual, state, site, rate, y } = *args;
    expect_shape("dropout: y", (x.rows, x.cols), (y.rows, y.cols))?;
    if let Some(residual) = residual {
        expect_shape("dropout: residual", (x.rows, x.cols), (residual.rows, residual.cols))?;
    }
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::Config(format!("a dropout rate is at least 0 and below 1, not {rate}")));
    }
    if state.is_none() && rate > 0.0 {
        return Err(Error::Config("dropout needs a training state, which seeds its mask".into()));
    }
    let call = DropoutKernel {
        rows: x.rows,
        width: x.stride(),
        site,
        threshold: (f64::from(rate) * 4_294_967_296.0) as u32,
        scale: 1.0 / (1.0 - rate),
        x,
        residual,
        state: state.map(Array::from),
        y,
    };
    let width = u64::from(x.stride());
    let lanes = trips::lanes(b.tuning().shared_rows, "dropout", &LANES, |lanes| width.div_ceil(lanes))?;
    let variant = b.special().with("LANES", lanes);
    let groups = (u64::from(x.rows) * u64::from(lanes)).div_ceil(64);
    let elements = f64::from(x.rows) * f64::from(x.cols);
    let cost = Cost { flops: 40.0 * elements, bytes: 12.0 * elements };
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let variant = |lanes| Specialization::new(placement).with("LANES", lanes);
    LANES.map(|lanes| (DropoutKernel::KERNEL, variant(lanes))).into()
}
