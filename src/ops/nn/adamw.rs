//! AdamW over pages of parameters (`shaders/nn/adamw.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Page, Placement, Variant, params};
use crate::ops::Builder;
use crate::ops::nn::gradient_norm::check_page;

params! {
    /// As in `shaders/nn/adamw.wgsl`.
    Params { len: u32, decayed: u32, beta1: f32, beta2: f32, eps: f32, weight_decay: f32 }
}

/// vec4s of a workgroup.
const GROUP_SPAN: u32 = 64 * 4;

static UPDATE: Kernel = Kernel {
    stem: "nn/adamw",
    entry: "update",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/train_state.wgsl"),
        include_str!("../../../shaders/nn/adamw.wgsl"),
    ],
    params: Params::FIELDS,
    operands: &[
        Operand::array("grad", "vec4<f32>", "[N]"),
        Operand::array("state", "u32", "training state"),
        Operand::array_out("param", "vec4<f32>", "[N]"),
        Operand::array_out("m", "vec4<f32>", "[N]"),
        Operand::array_out("v", "vec4<f32>", "[N]"),
    ],
};

/// What is constant over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment; positive.
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
    /// vec4s that decay: the first ones.
    pub decayed: u32,
    /// The training state, after [`super::train_state::close_step`].
    pub state: &'a Buffer,
    /// Hyper-parameters.
    pub hyper: Hyper,
}

/// Adds the update of a page and brings the texture of its parameters up to date. If the gradient was not finite, parameters
/// and moments stay bit for bit what they are. About 60 flops and 112 bytes a vec4.
///
/// # Errors
/// [`crate::Error::Shape`] if a page is too small; [`crate::Error::Config`] if eps is not positive.
pub fn update(b: &mut Builder, args: &Update<'_>) -> Result<()> {
    let Update { param, grad, m, v, vec4s, decayed, state, hyper } = *args;
    for (what, page) in [("param", &param.buffer), ("grad", grad), ("m", m), ("v", v)] {
        check_page(&format!("adamw: {what}"), page, vec4s)?;
    }
    if hyper.eps.is_nan() || hyper.eps < f32::MIN_POSITIVE {
        return Err(Error::Config(format!("AdamW's eps is positive, not {}", hyper.eps)));
    }
    let params = Params {
        len: vec4s,
        decayed,
        beta1: hyper.beta1,
        beta2: hyper.beta2,
        eps: hyper.eps,
        weight_decay: hyper.weight_decay,
    };
    let binds =
        [Bind::Buffer(grad), Bind::Buffer(state), Bind::Buffer(&param.buffer), Bind::Buffer(m), Bind::Buffer(v)];
    let groups = u64::from(vec4s.div_ceil(GROUP_SPAN));
    let cost = Cost { flops: 60.0 * f64::from(vec4s), bytes: 112.0 * f64::from(vec4s) };
    let dispatch = b.gpu.dispatch(&UPDATE, &Variant::plain(b.placement), &params, &binds, groups, cost)?;
    b.program.dispatch(dispatch);
    if let Some(refresh) = param.refresh() {
        b.program.push(refresh);
    }
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&UPDATE, Variant::plain(placement))]
}
