//! Channels of heads in whole vec4s (`shaders/nn/attention_heads.wgsl`), for heads of a size that is no multiple of 4.

use crate::error::Result;
use crate::gpu::{Bind, Cost, Kernel, Operand, Placement, Plane, Variant, params};
use crate::ops::Builder;

params! {
    /// As in `shaders/nn/attention_heads.wgsl`.
    Params {
        rows: u32, width: u32, parts: u32, heads: u32, head_channels: u32, x_part: u32, x_head: u32, out_part: u32, out_head: u32,
        x_stride: u32, out_stride: u32,
    }
}

static LAY_OUT: Kernel = Kernel {
    stem: "nn/attention_heads",
    entry: "lay_out",
    source: &[include_str!("../../../shaders/lib/grid.wgsl"), include_str!("../../../shaders/nn/attention_heads.wgsl")],
    params: Params::FIELDS,
    operands: &[Operand::plane("x", "[B T, parts part]"), Operand::plane_out("out", "[B T, parts part]")],
};

/// How D channels belong to H heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    channels: u32,
    heads: u32,
    head_channels: u32,
}

impl Layout {
    pub(super) fn of(channels: u32, heads: u32) -> Self {
        Self { channels, heads, head_channels: channels / heads }
    }

    /// Whether heads begin at whole vec4s as they are.
    pub(super) fn whole(self) -> bool {
        self.heads == 1 || self.head_channels.is_multiple_of(4)
    }

    /// vec4s of a head.
    pub(super) fn head_width(self) -> u32 {
        self.head_channels.div_ceil(4)
    }

    /// Columns of all heads in whole vec4s.
    pub(super) fn spread_cols(self) -> u32 {
        4 * self.heads * self.head_width()
    }

    /// Channels from part to part and from head to head, with the heads side by side and in whole vec4s.
    fn strides(self) -> [[u32; 2]; 2] {
        let side_by_side = [4 * self.channels.div_ceil(4), self.head_channels];
        [side_by_side, [self.spread_cols(), 4 * self.head_width()]]
    }
}

/// Adds a new plane of the heads of x, `parts` times D channels, in whole vec4s.
pub(super) fn spread(b: &mut Builder, layout: Layout, parts: u32, x: &Plane) -> Result<Plane> {
    let out = b.plane("attention heads", x.rows, parts * layout.spread_cols())?;
    let [from, to] = layout.strides();
    lay_out(b, layout, parts, (x, from), (&out, to))?;
    Ok(out)
}

/// Adds the inverse.
pub(super) fn gather(b: &mut Builder, layout: Layout, parts: u32, x: &Plane, out: &Plane) -> Result<()> {
    let [to, from] = layout.strides();
    lay_out(b, layout, parts, (x, from), (out, to))
}

fn lay_out(
    b: &mut Builder,
    layout: Layout,
    parts: u32,
    (x, [x_part, x_head]): (&Plane, [u32; 2]),
    (out, [out_part, out_head]): (&Plane, [u32; 2]),
) -> Result<()> {
    let Layout { heads, head_channels, .. } = layout;
    let width = out.stride();
    let params = Params {
        rows: out.rows,
        width,
        parts,
        heads,
        head_channels,
        x_part,
        x_head,
        out_part,
        out_head,
        x_stride: x.stride(),
        out_stride: width,
    };
    let vec4s = u64::from(out.rows) * u64::from(width);
    let cost = Cost { flops: 40.0 * vec4s as f64, bytes: 32.0 * vec4s as f64 };
    let binds = [Bind::Plane(x), Bind::Plane(out)];
    let dispatch = b.gpu.dispatch(&LAY_OUT, &Variant::plain(b.placement), &params, &binds, vec4s.div_ceil(64), cost)?;
    b.program.dispatch(dispatch);
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Variant)> {
    vec![(&LAY_OUT, Variant::plain(placement))]
}
