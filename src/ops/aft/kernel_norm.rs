//! The re-parameterised kernel of AFT-conv (Eq. 8) and its gradients (`shaders/aft/kernel_norm*.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Specialization, Weights, kernel};
use crate::ops::{Builder, Gradient, trips};

kernel! {
    /// `shaders/aft/kernel_norm.wgsl`.
    struct ForwardKernel = "aft/kernel_norm", "forward";
    fragments: ["grid", "run_time", "aft_moments"],
    params: { heads: u32, tap_count: u32 },
    operands: {
        read raw: &'a Weights = "[H, S]",
        read gamma: &'a Weights = "[H]",
        read beta: &'a Weights = "[H]",
        write taps: Array<'a, [f32; 4]> = "[H, S]",
    },
}

kernel! {
    /// `shaders/aft/kernel_norm_grad.wgsl`.
    struct GradientKernel = "aft/kernel_norm_grad", "gradient";
    fragments: ["grid", "run_time", "aft_moments"],
    params: { heads: u32, tap_count: u32, accumulate: u32, gamma_offset: u32, beta_offset: u32 },
    operands: {
        read raw: &'a Weights = "[H, S]",
        read gamma: &'a Weights = "[H]",
        read dtaps: Array<'a, [f32; 4]> = "[H, S]",
        write out: Array<'a, [f32; 4]> = "[draw H S, dgamma H, dbeta H]",
    },
}

/// The parameters of a kernel.
#[derive(Clone, Copy)]
pub struct Normed<'a> {
    /// The kernel before normalisation [H, S]; the S taps on a grid are those of a square, row by row.
    pub raw: &'a Weights,
    /// Its standard deviation `[H]`.
    pub gamma: &'a Weights,
    /// Its mean `[H]`.
    pub beta: &'a Weights,
}

impl Normed<'_> {
    fn check(&self, taps: &Buffer) -> Result<()> {
        let heads = self.raw.rows;
        let bytes = 16 * u64::from(heads) * u64::from(self.raw.stride());
        if taps.size() < bytes {
            return Err(Error::shape("kernel_norm: taps", format!("at least {bytes} bytes"), taps.size()));
        }
        expect_shape(
            "kernel_norm: gamma and beta",
            [(1, heads); 2],
            [self.gamma, self.beta].map(|w| (w.rows, w.cols)),
        )?;
        // At most five walks over the taps, of each of four heads.
        trips::check("kernel_norm: the taps of four heads", 20 * u64::from(self.raw.stride()) + 4)
    }
}

/// Adds the taps gamma (raw - mean) / std + beta, [H, S] with rows padded to whole vec4s.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit; [`crate::Error::LimitExceeded`] past about 6,000 taps.
pub fn forward(b: &mut Builder, normed: &Normed<'_>, taps: &Buffer) -> Result<()> {
    normed.check(taps)?;
    let Normed { raw, gamma, beta } = *normed;
    let call = ForwardKernel { heads: raw.rows, tap_count: raw.cols, raw, gamma, beta, taps: taps.into() };
    let groups = u64::from(raw.rows.div_ceil(64));
    b.run(&call, &b.special(), groups, cost(raw))?;
    Ok(())
}

/// Adds the gradients of the parameters from that of the taps. They lie in one page, in the order raw, gamma, beta: `out` is the
/// gradient of raw and, as the second tensor, gamma.
///
/// # Errors
/// As [`forward`]; [`crate::Error::Shape`] if they do not lie so.
pub fn backward(b: &mut Builder, normed: &Normed<'_>, dtaps: &Buffer, out: &Gradient) -> Result<()> {
    normed.check(dtaps)?;
    let Normed { raw, gamma, beta } = *normed;
    let vec4s = [raw, gamma].map(|w| w.size_bytes() / 16);
    expect_shape(
        "kernel_norm: vec4s of the gradients of raw and gamma",
        vec4s,
        [out.first_len, out.second_len].map(u64::from),
    )?;
    let distance = beta.offset_bytes.checked_sub(gamma.offset_bytes).filter(|_| beta.page == gamma.page);
    let distance = distance
        .ok_or_else(|| Error::shape("kernel_norm: gamma and beta", "one page, in this order", "another place"))?;
    let beta_offset = out.second_offset + (distance / 16) as u32;
    let bytes = 16 * u64::from(beta_offset + beta.stride());
    let call = GradientKernel {
        heads: raw.rows,
        tap_count: raw.cols,
        accumulate: out.accumulate.into(),
        gamma_offset: out.second_offset,
        beta_offset,
        raw,
        gamma,
        dtaps: dtaps.into(),
        out: Array::slice(&out.page, out.offset_bytes, bytes),
    };
    let groups = u64::from(raw.rows.div_ceil(4).div_ceil(64));
    b.run(&call, &b.special(), groups, cost(raw))?;
    Ok(())
}

fn cost(raw: &Weights) -> Cost {
    let taps = f64::from(raw.rows) * f64::from(raw.cols);
    Cost { flops: 20.0 * taps, bytes: 24.0 * taps }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![
        (ForwardKernel::KERNEL, Specialization::new(placement)),
        (GradientKernel::KERNEL, Specialization::new(placement)),
    ]
}
