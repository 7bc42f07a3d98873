//! AdamW over pages of parameters (`shaders/nn/adamw.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Page, Placement, Specialization, kernel};
use crate::ops::Builder;
use crate::ops::nn::gradient_norm::check_page;

/// vec4s of a workgroup.
const GROUP_SPAN: u32 = 64 * 4;

kernel! {
    /// `shaders/nn/adamw.wgsl`.
    struct UpdateKernel = "nn/adamw", "update";
    fragments: ["grid", "train_state"],
    params: { len: u32, decayed: u32, beta1: f32, beta2: f32, eps: f32, weight_decay: f32 },
    operands: {
        read grad: Array<'a, [f32; 4]> = "[N]",
        read state: Array<'a, u32> = "training state",
        write param: Array<'a, [f32; 4]> = "[N]",
        write m: Array<'a, [f32; 4]> = "[N]",
        write v: Array<'a, [f32; 4]> = "[N]",
    },
}

/// Hyper-parameters, constant over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the square root of the second moment; positive.
    pub eps: f32,
    /// Decoupled weight decay, per unit of learning rate.
    pub weight_decay: f32,
}

/// Operands of an update.
pub struct Update<'a> {
    /// The parameters.
    pub param: &'a Page,
    /// Their gradients.
    pub grad: &'a Buffer,
    /// First moments.
    pub m: &'a Buffer,
    /// Second moments.
    pub v: &'a Buffer,
    /// vec4s of the page that hold tensors.
    pub vec4s: u32,
    /// The first vec4s, which decay.
    pub decayed: u32,
    /// The training state, after [`super::train_state::close_step`].
    pub state: &'a Buffer,
    /// Hyper-parameters.
    pub hyper: Hyper,
}

/// Adds the update of a page, and of its parameters' texture copy. If the gradient was not finite, parameters and
/// moments do not change. About 60 flops and 112 bytes a vec4.
///
/// # Errors
/// [`crate::Error::Shape`] if a page is too small; [`crate::Error::Config`] if eps is not positive.
pub fn update(b: &mut Builder, args: &Update<'_>) -> Result<()> {
    let Update { param, grad, m, v, vec4s, decayed, state, hyper } = *args;
    for (what, page) in [("param", &param.buffer), ("grad", grad), ("m", m), ("v", v)] {
        check_page(&format!("adamw: {what}"), page, vec4s)?;
    }
    if hyper.eps.is_nan() || hyper.eps < f32::MIN_POSITIVE {
        return Err(Error::Config(format!("AdamW's eps must be positive, not {}", hyper.eps)));
    }
    let call = UpdateKernel {
        len: vec4s,
        decayed,
        beta1: hyper.beta1,
        beta2: hyper.beta2,
        eps: hyper.eps,
        weight_decay: hyper.weight_decay,
        grad: grad.into(),
        state: state.into(),
        param: (&param.buffer).into(),
        m: m.into(),
        v: v.into(),
    };
    let groups = u64::from(vec4s.div_ceil(GROUP_SPAN));
    let cost = Cost { flops: 60.0 * f64::from(vec4s), bytes: 112.0 * f64::from(vec4s) };
    b.run(&call, &b.special(), groups, cost)?;
    if let Some(refresh) = param.refresh() {
        b.program.push(refresh);
    }
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(UpdateKernel::KERNEL, Specialization::new(placement))]
}
