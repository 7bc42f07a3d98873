//! Cross-entropy of a softmax, and its gradient in the same pass (`shaders/nn/cross_entropy.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::nn::batch::Batch;
use crate::ops::trips::LANES;
use crate::ops::{Builder, trips};

const ROW_GROUP: u32 = 64;

kernel! {
    /// `shaders/nn/cross_entropy.wgsl`.
    struct CrossEntropyKernel = "nn/cross_entropy", "cross_entropy";
    fragments: ["grid", "run_time", "row_sum", "row_max", "train_state", "batch"],
    params: {
        rows: u32, cols: u32, slots: u32, slot_len: u32, micro: u32, has_gradient: u32, accumulate: u32,
        scale: f32,
    },
    operands: {
        read logits: &'a Plane = "[M, V]",
        read data: Array<'a, u32> = "[slots] batches",
        read state: Array<'a, u32> = "training state",
        write dlogits: Option<&'a Plane> = "[M, V]",
        write losses: Array<'a, f32> = "[M]",
    },
}

/// Operands of the loss.
pub struct Loss<'a> {
    /// Logits [M, V].
    pub logits: &'a Plane,
    /// The targets; a row whose target is [`IGNORED`](super::batch::IGNORED) has loss 0 and gradient 0.
    pub batch: Batch<'a>,
    /// Output: the loss of each row in nats, `[M]` floats.
    pub losses: &'a Buffer,
    /// Whether to add to `losses` (gradient accumulation) instead of overwriting them.
    pub accumulate: bool,
    /// Output, if wanted.
    pub gradient: Option<Gradient<'a>>,
}

/// The gradient that the loss writes.
#[derive(Clone, Copy)]
pub struct Gradient<'a> {
    /// Gradient of the logits [M, V].
    pub dlogits: &'a Plane,
    /// Weight of a row's loss in the mean: 1 / (M micro-batches).
    pub scale: f32,
}

/// Adds `losses = logsumexp(logits) - logits[target]` and `dlogits = (softmax(logits) - onehot(target)) scale`.
/// About 12 flops and 12 bytes a logit.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit the logits;
/// [`crate::Error::LimitExceeded`] above 2,047,232 tokens.
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
        return Err(Error::shape("cross_entropy: losses", format!("at least {needed} bytes"), losses.size()));
    }
    let call = CrossEntropyKernel {
        rows: logits.rows,
        cols: logits.cols,
        slots: batch.slots,
        slot_len: batch.layout.words(),
        micro: batch.micro,
        has_gradient: u32::from(gradient.is_some()),
        accumulate: u32::from(accumulate),
        scale: gradient.map_or(0.0, |g| g.scale),
        logits,
        data: batch.data.into(),
        state: batch.state.into(),
        dlogits: gradient.map(|g| g.dlogits),
        losses: losses.into(),
    };
    // Two passes over a row, for the sum and the gradient; reductions over lanes, for the maximum and the sum.
    let width = u64::from(logits.stride());
    let lanes = trips::lanes(b.tuning().shared_rows, "cross_entropy", &LANES, |lanes| 2 * width.div_ceil(lanes) + 12)?;
    let variant = b.special().with("LANES", lanes);
    let groups = (u64::from(logits.rows) * u64::from(lanes)).div_ceil(ROW_GROUP.into());
    let elements = f64::from(logits.rows) * f64::from(logits.cols);
    let cost = Cost { flops: 12.0 * elements, bytes: 12.0 * elements };
    b.run(&call, &variant, groups, cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let variant = |lanes| Specialization::new(placement).with("LANES", lanes);
    LANES.map(|lanes| (CrossEntropyKernel::KERNEL, variant(lanes))).into()
}
