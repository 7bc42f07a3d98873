//! Training state on the device, and the kernel that closes a step (`shaders/nn/train_state.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Specialization, kernel};
use crate::ops::{Builder, trips};

/// Training state that changes from step to step, in the layout of `shaders/lib/train_state.wgsl`. A checkpoint keeps
/// it; a run starts from [`TrainState::new`].
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct TrainState {
    /// The current step, from 0.
    pub step: u32,
    /// First slot of its batches ([`super::batch`]); wraps.
    pub slot: u32,
    /// The seed of the run.
    pub seed: u32,
    /// Steps whose gradient was not finite.
    pub skipped: u32,
    /// Skipped steps in a row, up to the last one.
    pub skipped_in_a_row: u32,
    /// Steps whose gradient was finite; the bias corrections count these.
    pub updates: u32,
    /// 1 if the gradient of the last closed step was finite.
    pub finite: u32,
    /// Learning rate of the last closed step.
    pub lr: f32,
    /// Clipping factor of its gradient.
    pub clip: f32,
    /// 1 - beta1^updates.
    pub correction1: f32,
    /// 1 - beta2^updates.
    pub correction2: f32,
}

/// Metrics of a step, in a ring on the device: step s is record s % ring.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Record {
    /// The step, from 0.
    pub step: u32,
    /// Mean training loss in nats.
    pub loss: f32,
    /// Gradient norm before clipping.
    pub norm: f32,
    /// Learning rate.
    pub lr: f32,
    /// Clipping factor of the gradient.
    pub clip: f32,
    /// 1 if the norm was not finite and nothing was updated.
    pub skipped: u32,
    /// Skipped steps in a row up to this one.
    pub skipped_in_a_row: u32,
    /// Updates so far, this one included.
    pub updates: u32,
}

/// Schedule of the learning rate: linear warm-up, then half a cosine from `peak` to `floor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Rate after the warm-up.
    pub peak: f32,
    /// Rate from `steps` on.
    pub floor: f32,
    /// Steps of the warm-up.
    pub warmup: u32,
    /// Steps of the run, warm-up included.
    pub steps: u32,
}

kernel! {
    /// `shaders/nn/train_state.wgsl`.
    struct CloseStepKernel = "nn/train_state", "close_step";
    fragments: ["train_state"],
    params: {
        partial_count: u32, rows: u32, accumulate: u32, ring: u32, warmup: u32, steps: u32, peak: f32, floor: f32,
        max_norm: f32, loss_scale: f32, beta1: f32, beta2: f32,
    },
    operands: {
        read partials: Array<'a, f32> = "[P]",
        read losses: Array<'a, f32> = "[M]",
        write state: Array<'a, u32> = "training state",
        write metrics: Array<'a, u32> = "[ring] records",
    },
}

/// Operands of the end of a step.
pub struct CloseStep<'a> {
    /// Partial sums of squares of the gradients, and their number ([`super::gradient_norm`]).
    pub partials: (&'a Buffer, u32),
    /// Loss of each row, summed over micro-batches `[M]`, and M.
    pub losses: (&'a Buffer, u32),
    /// Weight of a loss in the mean: 1 / (M micro-batches).
    pub loss_scale: f32,
    /// Micro-batches of a step; each takes a slot of the ring of batches.
    pub micro_batches: u32,
    /// Largest norm after clipping; infinite for no clipping.
    pub max_norm: f32,
    /// The learning rate.
    pub schedule: Schedule,
    /// AdamW's beta1 and beta2.
    pub betas: (f32, f32),
    /// The training state, a [`TrainState`].
    pub state: &'a Buffer,
    /// Output: a ring of [`Record`]s.
    pub metrics: &'a Buffer,
}

impl TrainState {
    /// The state before the first step.
    pub fn new(seed: u32) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// Bytes of a metrics ring with `records` records.
pub fn metrics_bytes(records: u32) -> u64 {
    size_of::<Record>() as u64 * u64::from(records)
}

/// Adds the end of a step: writes norm, loss and learning rate to the state and the metrics ring, and advances step and
/// slot. Run AdamW ([`super::adamw`]) after it. A step with a norm that is not finite counts as skipped.
///
/// # Errors
/// [`crate::Error::Shape`] if a buffer is too small; [`crate::Error::LimitExceeded`] above about 2,000,000 losses.
pub fn close_step(b: &mut Builder, args: &CloseStep<'_>) -> Result<()> {
    let CloseStep { partials, losses, loss_scale, micro_batches, max_norm, schedule, betas, state, metrics } = *args;
    for (what, buffer, bytes) in [
        ("partial sums", partials.0, 4 * u64::from(partials.1)),
        ("losses", losses.0, 4 * u64::from(losses.1)),
        ("state", state, size_of::<TrainState>() as u64),
        ("metrics", metrics, metrics_bytes(1)),
    ] {
        if buffer.size() < bytes {
            return Err(Error::shape(format!("train_state: {what}"), format!("at least {bytes} bytes"), buffer.size()));
        }
    }
    // 64 threads sum both; the reduction takes six more iterations.
    let trips = [partials.1, losses.1].map(|len| u64::from(len.div_ceil(64)));
    trips::check("train_state: sums of losses and squares", trips[0] + trips[1] + 6)?;
    let call = CloseStepKernel {
        partial_count: partials.1,
        rows: losses.1,
        accumulate: micro_batches,
        ring: (metrics.size() / metrics_bytes(1)) as u32,
        warmup: schedule.warmup,
        steps: schedule.steps,
        peak: schedule.peak,
        floor: schedule.floor,
        max_norm: max_norm.min(f32::MAX),
        loss_scale,
        beta1: betas.0,
        beta2: betas.1,
        partials: partials.0.into(),
        losses: losses.0.into(),
        state: state.into(),
        metrics: metrics.into(),
    };
    let words = f64::from(partials.1) + f64::from(losses.1);
    let variant = Specialization::new(b.placement);
    let cost = Cost { flops: words, bytes: 4.0 * words };
    b.run(&call, &variant, 1, cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(CloseStepKernel::KERNEL, Specialization::new(placement))]
}
