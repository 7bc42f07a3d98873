//! Cross-entropy of a softmax, and its gradient in the same pass (`shaders/nn/cross_entropy.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::nn::LANES;
use crate::ops::nn::batch::Batch;
use crate::ops::{Builder, trips};

const ROW_GROUP: u32 = 64;

params! {
    /// As in `shaders/nn/cross_entropy.wgsl`.
    Params {
        rows: u32, cols: u32, logits_stride: u32, dlogits_stride: u32, slots: u32, slot_len: u32, micro: u32,
        has_gradient: u32, accumulate: u32, scale: f32,
    }
}

static CROSS_ENTROPY: Kernel = Kernel {
    stem: "nn/cross_entropy",
    entry: "cross_entropy",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/row_sum.wgsl"),
        include_str!("../../../shaders/lib/row_max.wgsl"),
        include_str!("../../../shaders/lib/train_state.wgsl"),
        include_str!("../../../shaders/lib/batch.wgsl"),
        include_str!("../../../shaders/nn/cross_entropy.wgsl"),
    ],
    params: Params::FIELDS,
    operands: &[
        Operand::plane("logits", "[M, V]"),
        Operand::array("data", "u32", "[slots] batches"),
        Operand::array("state", "u32", "training state"),
        Operand::plane_out("dlogits", "[M, V]"),
        Operand::array_out("losses", "f32", "[M]"),
    ],
};

/// Operands of the loss.
pub struct Loss<'a> {
    /// Logits [M, V].
    pub logits: &'a Plane,
    /// The targets; a row whose target is [`IGNORED`](super::batch::IGNORED) has loss 0 and gradient 0.
    pub batch: Batch<'a>,
    /// Output: the loss of each row in nats, `[M]` floats.
    pub losses: &'a Buffer,
    /// Add to `losses` (gradient accumulation) instead of overwriting them.
    pub accumulate: bool,
    /// Output, if wanted.
    pub gradient: Option<Gradient<'a>>,
}

/// The gradient that the loss writes.
#[derive(Clone, Copy)]
pub struct Gradient<'a> {
    /// Gradient of the logits [M, V].
    pub dlogits: &'a Plane,
    /// What a row's loss counts in the mean: 1 / (M micro-batches).
    pub scale: f32,
}

/// Adds `losses = logsumexp(logits) - logits[target]` and `dlogits = (softmax(logits) - onehot(target)) scale`.
/// About 12 flops and 12 bytes a logit.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit the logits; [`crate::Error::LimitExceeded`] past 2,047,232 tokens.
pub fn forward(b: &mut Builder, args: &Loss<'_>) -> Result<()> {
    let Loss { logits, batch, losses, accumulate, gradient } = *args;
    let shape = (logits.rows, logits.cols);
    batch.check("cross_entropy")?;
    expect_shape("cross_entropy: logits", (batch.layout.rows, batch.layout.vocabulary), shape)?;
    if let Some(Gradient { dlogits, .. }) = gradient {
        expect_shape("cross_entropy: dlogits", shape, (dlogits.rows, dlogits.cols))?;
    }
    let needed = 4 * u64::from(logits.rows);
    if losses.size() < needed {
        return Err(Error::shape("cross_entropy: losses", format!("{needed} bytes"), losses.size()));
    }
    let params = Params {
        rows: logits.rows,
        cols: logits.cols,
        logits_stride: logits.stride(),
        dlogits_stride: gradient.map_or(0, |g| g.dlogits.stride()),
        slots: batch.slots,
        slot_len: batch.layout.words(),
        micro: batch.micro,
        has_gradient: u32::from(gradient.is_some()),
        accumulate: u32::from(accumulate),
        scale: gradient.map_or(0.0, |g| g.scale),
    };
    let binds = [
        Bind::Plane(logits),
        Bind::Buffer(batch.data),
        Bind::Buffer(batch.state),
        gradient.map_or(Bind::Absent, |g| Bind::Plane(g.dlogits)),
        Bind::Buffer(losses),
    ];
    // A pass for the sum and one for the gradient; the maximum and the sum over lanes.
    let width = u64::from(logits.stride());
    let lanes = trips::lanes(b.few_threads(), "cross_entropy", &LANES, |lanes| 2 * width.div_ceil(lanes) + 12)?;
    let variant = Variant { placement: b.placement, constants: vec![("LANES", lanes)] };
    let groups = (u64::from(logits.rows) * u64::from(lanes)).div_ceil(ROW_GROUP.into());
    let elements = f64::from(logits.rows) * f64::from(logits.cols);
    let cost = Cost { flops: 12.0 * elements, bytes: 12.0 * elements };
    let dispatch = b.gpu.dispatch(&CROSS_ENTROPY, &variant, &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    let variant = |lanes| Variant { placement, constants: vec![("LANES", lanes)] };
    LANES.map(|lanes| (&CROSS_ENTROPY, variant(lanes))).into()
}
