//! Biases that are parameters themselves, in the blocks that AFT reads them in, and their gradient (`shaders/aft/dense*.wgsl`).

use crate::error::{Error, Result};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, Weights, kernel};
use crate::ops::Builder;
use crate::ops::aft::panels::Panel;

kernel! {
    /// `shaders/aft/dense.wgsl`.
    struct SpreadKernel = "aft/dense", "spread";
    fragments: ["grid", "run_time", "aft_dense"],
    params: {
        time: u32, first_row: u32, rows: u32, causal: u32, reach: u32, slides: u32, ahead: u32, columns: u32,
        taps: u32, relative: u32, origin: u32, w_columns: u32, w_stride: u32,
    },
    operands: {
        read w: Array<'a, f32> = "[rows, w_columns]",
        write bias: &'a Plane = "[rows, columns]",
    },
}

kernel! {
    /// `shaders/aft/dense_grad.wgsl`.
    struct GatherKernel = "aft/dense_grad", "gather";
    fragments: ["grid", "run_time", "aft_seen"],
    params: {
        time: u32, first_row: u32, rows: u32, causal: u32, reach: u32, slides: u32, ahead: u32, relative: u32,
        origin: u32, w_columns: u32, w_stride: u32, accumulate: u32,
    },
    operands: {
        read dbias: &'a Plane = "[rows, columns]",
        write out: Array<'a, f32> = "[rows, w_columns]",
    },
}

/// Rows of floats in a buffer, `stride` floats apart.
#[derive(Debug, Clone, Copy)]
pub struct Rowed<'a> {
    /// The buffer; of AFT-full it may be more than a binding holds ([`crate::gpu::Gpu::sliced`]).
    pub buffer: &'a Buffer,
    /// First byte, a multiple of 256.
    pub offset_bytes: u64,
    /// Floats in a row.
    pub columns: u32,
    /// Floats from one row to the next, at least `columns`.
    pub stride: u32,
}

impl<'a> From<&'a Weights> for Rowed<'a> {
    fn from(w: &'a Weights) -> Self {
        Self { buffer: &w.page, offset_bytes: w.offset_bytes, columns: w.cols, stride: 4 * w.stride() }
    }
}

impl<'a> Rowed<'a> {
    /// Fails where rows overlap.
    pub(crate) fn check(&self, what: &str) -> Result<()> {
        if self.stride >= self.columns {
            return Ok(());
        }
        Err(Error::shape(format!("{what}: stride in floats"), format!("at least {}", self.columns), self.stride))
    }

    /// Rows `first .. first + count`, as an operand; `first` is a multiple of 64.
    pub(crate) fn array(&self, first: u32, count: u32) -> Result<Array<'a, f32>> {
        let row = 4 * u64::from(self.stride);
        let offset = self.offset_bytes + row * u64::from(first);
        let size = row * u64::from(count.max(1));
        if offset + size > self.buffer.size() || !offset.is_multiple_of(256) {
            let expected = format!("at least {} bytes, and an offset that is a multiple of 256", offset + size);
            return Err(Error::shape(
                "aft: dense biases",
                expected,
                format!("{} bytes, offset {offset}", self.buffer.size()),
            ));
        }
        Ok(Array::slice(self.buffer, offset, size))
    }
}

/// Which column of a parameter stands for a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Columns {
    /// Column t' for key t'.
    Absolute,
    /// Column t' - t + origin.
    Relative { origin: u32 },
}

impl Columns {
    fn params(self) -> (u32, u32) {
        match self {
            Self::Absolute => (0, 0),
            Self::Relative { origin } => (1, origin),
        }
    }
}

/// Adds the biases of a panel's rows from `w` [T, columns], or, of taps, from `w` [H, S].
pub(crate) fn spread(
    b: &mut Builder,
    causal: bool,
    time: u32,
    panel: &Panel<'_>,
    w: Rowed<'_>,
    columns: Columns,
    taps: bool,
) -> Result<()> {
    let (layout, bias) = (panel.layout, panel.plane);
    let (relative, origin) = columns.params();
    let rows = if taps { bias.rows } else { panel.rows };
    let call = SpreadKernel {
        time,
        first_row: panel.first_row,
        rows,
        causal: causal.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        columns: bias.stride(),
        taps: taps.into(),
        relative,
        origin,
        w_columns: w.columns,
        w_stride: w.stride,
        w: if taps { w.array(0, rows / 4)? } else { w.array(panel.first_row, rows)? },
        bias,
    };
    let vec4s = u64::from(rows) * u64::from(bias.stride());
    let cost = Cost { flops: 40.0 * vec4s as f64, bytes: 32.0 * vec4s as f64 };
    b.run(&call, &b.special(), vec4s.div_ceil(64), cost)?;
    Ok(())
}

/// Adds the gradient of a panel's rows of `w`.
pub(crate) fn gather(
    b: &mut Builder,
    causal: bool,
    time: u32,
    panel: &Panel<'_>,
    dbias: &Plane,
    (out, accumulate): (Rowed<'_>, bool),
    columns: Columns,
) -> Result<()> {
    let layout = panel.layout;
    let (relative, origin) = columns.params();
    let entries = u64::from(panel.rows) * u64::from(out.columns);
    let call = GatherKernel {
        time,
        first_row: panel.first_row,
        rows: panel.rows,
        causal: causal.into(),
        reach: layout.reach,
        slides: layout.slide.is_some().into(),
        ahead: layout.slide.unwrap_or(0),
        relative,
        origin,
        w_columns: out.columns,
        w_stride: out.stride,
        accumulate: accumulate.into(),
        dbias,
        out: out.array(panel.first_row, panel.rows)?,
    };
    let cost = Cost { flops: 20.0 * entries as f64, bytes: 24.0 * entries as f64 };
    b.run(&call, &b.special(), entries.div_ceil(64), cost)?;
    Ok(())
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    vec![(SpreadKernel::KERNEL, Specialization::new(placement)), (GatherKernel::KERNEL, Specialization::new(placement))]
}
