//! Padding of each head to whole vec4s (`shaders/nn/attention_heads.wgsl`), for head sizes that are not a multiple of
//! 4.

use crate::error::Result;
use crate::gpu::{Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::Builder;

kernel! {
    /// `shaders/nn/attention_heads.wgsl`.
    struct LayOutKernel = "nn/attention_heads", "lay_out";
    fragments: ["grid"],
    params: {
        rows: u32,
        /// vec4s of a row of out.
        width: u32,
        parts: u32,
        heads: u32,
        head_channels: u32,
        /// Channels from part to part (q, k, v), and from head to head.
        x_part: u32,
        x_head: u32,
        out_part: u32,
        out_head: u32,
    },
    operands: {
        read x: &'a Plane = "[B T, parts part]",
        write out: &'a Plane = "[B T, parts part]",
    },
}

/// Division of D channels into H heads.
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

    /// Whether every head begins at a whole vec4 without padding.
    pub(super) fn whole(self) -> bool {
        self.heads == 1 || self.head_channels.is_multiple_of(4)
    }

    /// vec4s of a head.
    pub(super) fn head_width(self) -> u32 {
        self.head_channels.div_ceil(4)
    }

    /// Columns of all heads, padded to whole vec4s each.
    pub(super) fn spread_cols(self) -> u32 {
        4 * self.heads * self.head_width()
    }

    /// Channels from part to part and from head to head: unpadded, and padded to whole vec4s.
    fn strides(self) -> [[u32; 2]; 2] {
        let side_by_side = [4 * self.channels.div_ceil(4), self.head_channels];
        [side_by_side, [self.spread_cols(), 4 * self.head_width()]]
    }
}

/// Adds a new plane with the heads of x, `parts` times D channels, padded to whole vec4s.
pub(super) fn spread(b: &mut Builder, layout: Layout, parts: u32, x: &Plane) -> Result<Plane> {
    let out = b.plane("attention heads", x.rows, parts * layout.spread_cols())?;
    let [from, to] = layout.strides();
    lay_out(b, layout, parts, (x, from), (&out, to))?;
    Ok(out)
}

/// Adds the inverse of [`spread`].
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
    let vec4s = u64::from(out.rows) * u64::from(width);
    let cost = Cost { flops: 40.0 * vec4s as f64, bytes: 32.0 * vec4s as f64 };
    let call =
        LayOutKernel { rows: out.rows, width, parts, heads, head_channels, x_part, x_head, out_part, out_head, x, out };
    b.run(&call, &b.special(), vec4s.div_ceil(64), cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(LayOutKernel::KERNEL, Specialization::new(placement))]
}
