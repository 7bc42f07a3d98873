//! The re-parameterised kernel of AFT-conv (Eq. 8) and its gradients (`shaders/aft/kernel_norm*.wgsl`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Bind, Buffer, Cost, Kernel, Operand, Placement, Variant, Weights, params};
use crate::ops::{Builder, Gradient, trips};

params! {
    /// As in `shaders/aft/kernel_norm.wgsl`.
    ForwardParams { heads: u32, taps: u32, raw_base: u32, gamma_base: u32, beta_base: u32 }
}

params! {
    /// As in `shaders/aft/kernel_norm_grad.wgsl`.
    GradientParams { heads: u32, taps: u32, accumulate: u32, gamma_offset: u32, beta_offset: u32, raw_base: u32, gamma_base: u32 }
}

static FORWARD: Kernel = Kernel {
    stem: "aft/kernel_norm",
    entry: "forward",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_moments.wgsl"),
        include_str!("../../../shaders/aft/kernel_norm.wgsl"),
    ],
    params: ForwardParams::FIELDS,
    operands: &[
        Operand::weights("raw", "[H, S]"),
        Operand::weights("gamma", "[H]"),
        Operand::weights("beta", "[H]"),
        Operand::array_out("taps", "vec4<f32>", "[H, S]"),
    ],
};

static GRADIENT: Kernel = Kernel {
    stem: "aft/kernel_norm_grad",
    entry: "gradient",
    source: &[
        include_str!("../../../shaders/lib/grid.wgsl"),
        include_str!("../../../shaders/lib/run_time.wgsl"),
        include_str!("../../../shaders/lib/aft_moments.wgsl"),
        include_str!("../../../shaders/aft/kernel_norm_grad.wgsl"),
    ],
    params: GradientParams::FIELDS,
    operands: &[
        Operand::weights("raw", "[H, S]"),
        Operand::weights("gamma", "[H]"),
        Operand::array("dtaps", "vec4<f32>", "[H, S]"),
        Operand::array_out("out", "vec4<f32>", "[draw H S, dgamma H, dbeta H]"),
    ],
};

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
            return Err(Error::shape("kernel_norm: taps", format!("{bytes} bytes"), taps.size()));
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
    let params = ForwardParams {
        heads: raw.rows,
        taps: raw.cols,
        raw_base: raw.base(),
        gamma_base: gamma.base(),
        beta_base: beta.base(),
    };
    let binds = [Bind::Weights(raw), Bind::Weights(gamma), Bind::Weights(beta), Bind::Buffer(taps)];
    let groups = u64::from(raw.rows.div_ceil(64));
    let dispatch = b.gpu.dispatch(&FORWARD, &Variant::plain(b.placement), &params, &binds, groups, cost(raw))?;
    b.program.dispatch(dispatch);
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
    expect_shape("kernel_norm: gradients (vec4s)", vec4s, [out.first_len, out.second_len].map(u64::from))?;
    let distance = beta.offset_bytes.checked_sub(gamma.offset_bytes).filter(|_| beta.page == gamma.page);
    let distance =
        distance.ok_or_else(|| Error::shape("kernel_norm: gamma and beta", "one page, in this order", "another"))?;
    let beta_offset = out.second_offset + (distance / 16) as u32;
    let params = GradientParams {
        heads: raw.rows,
        taps: raw.cols,
        accumulate: out.accumulate.into(),
        gamma_offset: out.second_offset,
        beta_offset,
        raw_base: raw.base(),
        gamma_base: gamma.base(),
    };
    let bytes = 16 * u64::from(beta_offset + beta.stride());
    let binds = [
        Bind::Weights(raw),
        Bind::Weights(gamma),
        Bind::Buffer(dtaps),
        Bind::Slice(&out.page, out.offset_bytes, bytes),
    ];
    let groups = u64::from(raw.rows.div_ceil(4).div_ceil(64));
    let dispatch = b.gpu.dispatch(&GRADIENT, &Variant::plain(b.placement), &params, &binds, groups, cost(raw))?;
    b.program.dispatch(dispatch);
    Ok(())
}

fn cost(raw: &Weights) -> Cost {
    let taps = f64::from(raw.rows) * f64::from(raw.cols);
    Cost { flops: 20.0 * taps, bytes: 24.0 * taps }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&FORWARD, Variant::plain(placement)), (&GRADIENT, Variant::plain(placement))]
}
