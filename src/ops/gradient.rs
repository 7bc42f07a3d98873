//! Gradients of parameters: their memory, and their sums over many rows without atomics.

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Cost, Weights, kernel};
use crate::ops::{Builder, trips};

/// Gradient of a tensor (weight, gamma) and, later in the same page, of an optional second one (bias, beta).
#[derive(Debug, Clone)]
pub struct Gradient {
    /// The page of gradients.
    pub page: Buffer,
    /// First byte, a multiple of 256.
    pub offset_bytes: u64,
    /// vec4s of the first tensor, padding included.
    pub first_len: u32,
    /// vec4s from the start of the first tensor to the start of the second.
    pub second_offset: u32,
    /// vec4s of the second tensor; 0 if there is none.
    pub second_len: u32,
    /// Whether to add to the present values (gradient accumulation) instead of overwriting them.
    pub accumulate: bool,
}

kernel! {
    /// `shaders/nn/sum_slices.wgsl`.
    pub(crate) struct SumSlicesKernel = "nn/sum_slices", "sum_slices";
    fragments: ["grid", "run_time"],
    params: { slices: u32, len: u32, first_len: u32, second_offset: u32, accumulate: u32 },
    operands: {
        read part: Array<'a, [f32; 4]> = "[S, N]",
        write out: Array<'a, [f32; 4]> = "[N]",
    },
}

/// A gradient that a kernel writes in slices: directly into the target if there is one slice, else into scratch for a
/// later sum.
pub(crate) struct Sliced<'a> {
    target: &'a Gradient,
    part: Option<Buffer>,
    pub(crate) slices: u32,
    /// vec4s from one slice to the next.
    pub(crate) stride: u32,
    /// vec4s from the first tensor to the second.
    pub(crate) second_offset: u32,
    /// 1 if the kernel itself adds to the present values.
    pub(crate) accumulate: u32,
}

impl Gradient {
    /// The gradient of `first` and `second`, which are in this order in one page; `page` holds that page's gradients.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are in two pages or in another order.
    pub fn of(page: &Buffer, first: &Weights, second: Option<&Weights>, accumulate: bool) -> Result<Self> {
        let vec4s = |w: &Weights| (w.size_bytes() / 16) as u32;
        let behind = |s: &Weights| {
            let distance = s.offset_bytes.checked_sub(first.offset_bytes + first.size_bytes());
            let distance = distance.filter(|_| s.page == first.page).map(|bytes| bytes + first.size_bytes());
            distance.ok_or_else(|| {
                Error::shape(
                    "gradients of two tensors",
                    "the second right behind the first in one page",
                    "another place",
                )
            })
        };
        let second_offset = second.map_or(Ok(0), behind)?;
        Ok(Self {
            page: page.clone(),
            offset_bytes: first.offset_bytes,
            first_len: vec4s(first),
            second_offset: (second_offset / 16) as u32,
            second_len: second.map_or(0, vec4s),
            accumulate,
        })
    }

    /// The gradient of one tensor of `vec4s`, which fills its own buffer.
    pub fn whole(buffer: &Buffer, vec4s: u32) -> Self {
        let page = buffer.clone();
        Self { page, offset_bytes: 0, first_len: vec4s, second_offset: 0, second_len: 0, accumulate: false }
    }

    fn array(&self) -> Array<'_, [f32; 4]> {
        let vec4s = if self.second_len > 0 { self.second_offset + self.second_len } else { self.first_len };
        Array::slice(&self.page, self.offset_bytes, 16 * u64::from(vec4s))
    }

    /// Prepares a sum over `slices` slices.
    pub(crate) fn slices(&self, b: &mut Builder, slices: u32) -> Result<Sliced<'_>> {
        trips::check("a gradient summed over slices", slices.into())?;
        let len = self.first_len + self.second_len;
        let one = slices <= 1;
        let part =
            if one { None } else { Some(b.scratch("gradient slices", 16 * u64::from(slices) * u64::from(len))?) };
        Ok(Sliced {
            target: self,
            part,
            slices: slices.max(1),
            stride: if one { 0 } else { len },
            second_offset: if one { self.second_offset } else { self.first_len },
            accumulate: u32::from(one && self.accumulate),
        })
    }
}

impl Sliced<'_> {
    /// The output that the kernel binds.
    pub(crate) fn array(&self) -> Array<'_, [f32; 4]> {
        self.part.as_ref().map_or_else(|| self.target.array(), Array::from)
    }

    /// Adds the sum over slices, if there are several; call it after the kernel's dispatch.
    pub(crate) fn finish(self, b: &mut Builder) -> Result<()> {
        let Self { target, part: Some(part), slices, .. } = self else { return Ok(()) };
        let len = target.first_len + target.second_len;
        let call = SumSlicesKernel {
            slices,
            len,
            first_len: target.first_len,
            second_offset: target.second_offset,
            accumulate: u32::from(target.accumulate),
            part: (&part).into(),
            out: target.array(),
        };
        let vec4s = f64::from(slices + 1) * f64::from(len);
        let cost = Cost { flops: 4.0 * vec4s, bytes: 16.0 * vec4s };
        b.run(&call, &b.special(), u64::from(len.div_ceil(64)), cost)
    }
}
