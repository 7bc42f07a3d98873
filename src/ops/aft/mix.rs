//! AFT in every form over one sequence of keys: which keys a row sees, what it sums over, and the gradients
//! (`shaders/aft/mix_*.wgsl`, and the passes of `simple.rs`, `rest.rs`, `pairs.rs` and `grid.rs`).

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Array, Buffer, Call, Cost, Kernel, Placement, Plane, Specialization, kernel};
use crate::ops::aft::biases::{BiasGradient, Biases};
use crate::ops::aft::grid;
use crate::ops::aft::pairs::{self, Others, Rows};
use crate::ops::aft::qkv_cols;
use crate::ops::aft::rest::{self, Items, Outside};
use crate::ops::aft::{simple, taps};
use crate::ops::{Builder, trips};

kernel! {
    /// `shaders/aft/mix_centre.wgsl`.
    struct CentreKernel = "aft/mix_centre", "centre_of";
    fragments: ["grid", "row_sum", "row_max", "aft_bounds", "aft_qkv", "aft_mask"],
    params: { batch: u32, time: u32, width: u32 },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read mask: Option<Array<'a, u32>> = "[B, T]",
        write centre: &'a Plane = "[B, D]",
    },
}

kernel! {
    /// `shaders/aft/mix_rows.wgsl`.
    struct RowsKernel = "aft/mix_rows", "rows";
    fragments: ["grid", "aft_bounds", "aft_qkv", "aft_gate"],
    params: { rows: u32, cols: u32, width: u32, gated: u32 },
    operands: {
        read qkv: &'a Plane = "[B T, 3 D]",
        read dy: &'a Plane = "[B T, D]",
        read y: &'a Plane = "[B T, D]",
        read lr: &'a Plane = "[B T, 2 D]",
        write dqkv: &'a Plane = "[B T, 3 D]",
        write g: &'a Plane = "[B T, D]",
    },
}

/// Threads that share the mean of a channel's values, in the plans for processors and for GPUs.
const CENTRE_LANES: [u32; 2] = [1, 64];

/// What is mixed, apart from the biases.
#[derive(Clone, Copy)]
pub struct Mix<'a> {
    /// Sequences, B.
    pub batch: u32,
    /// Positions in a sequence, T, at most 131,072.
    pub time: u32,
    /// Channels, D.
    pub channels: u32,
    /// Whether the sums end at t' = t.
    pub causal: bool,
    /// Whether the output is gated by sigmoid(q).
    pub gated: bool,
    /// Which keys there are, [B, T] words that are 0 for a key that is not: it may hold anything and gets no gradient. Without
    /// a mask there are all. A row that sees no key gives y = 0 and hands on no gradient.
    pub mask: Option<&'a Buffer>,
}

/// What a forward pass gives.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// The mixed and gated values [B T, D].
    pub y: Plane,
    /// What the gradient needs besides.
    pub saved: Option<Saved>,
}

/// By what V was shifted, and of each row and channel the logarithm of the sum of weights and the mean of what is left of V.
#[derive(Debug, Clone)]
pub struct Saved {
    /// [B, D].
    pub centre: Plane,
    /// L, in nats, and r side by side [B T, 2 D4], where D4 is D rounded up to a multiple of 4.
    pub lr: Plane,
}

impl Mix<'_> {
    pub(crate) fn rows(&self) -> u32 {
        self.batch * self.time
    }

    fn check(&self, qkv: &Plane, out: &Mixed) -> Result<()> {
        let Self { batch, time, channels, .. } = *self;
        if batch == 0 || time == 0 || channels == 0 {
            return Err(Error::Config(format!("aft: B, T and D are at least 1, not {batch}, {time} and {channels}")));
        }
        let rows = batch.checked_mul(time).ok_or_else(|| Error::LimitExceeded {
            what: "AFT over all positions of a batch".into(),
            limit: "rows of a plane",
            needed: u64::from(batch) * u64::from(time),
            granted: u32::MAX.into(),
            advice: "a smaller batch".into(),
        })?;
        expect_shape("aft: qkv", (rows, qkv_cols(channels)), (qkv.rows, qkv.cols))?;
        expect_shape("aft: y", (rows, channels), (out.y.rows, out.y.cols))?;
        if let Some(Saved { centre, lr }) = &out.saved {
            expect_shape("aft: centre", (batch, channels), (centre.rows, centre.cols))?;
            expect_shape("aft: L and r", (rows, 2 * channels.next_multiple_of(4)), (lr.rows, lr.cols))?;
        }
        if let Some(mask) = self.mask
            && mask.size() < 4 * u64::from(rows)
        {
            return Err(Error::shape("aft: mask", format!("at least {} bytes", 4 * u64::from(rows)), mask.size()));
        }
        Ok(())
    }
}

impl Mixed {
    /// Planes for an output, and for what its gradient needs if that will be taken.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub fn new(b: &mut Builder, mix: &Mix<'_>, gradient: bool) -> Result<Self> {
        let (rows, channels) = (mix.rows(), mix.channels);
        let y = b.plane("aft y", rows, channels)?;
        let saved = match gradient {
            true => Some(Saved {
                centre: b.plane("aft centre", mix.batch, channels)?,
                lr: b.plane("aft L r", rows, 2 * channels.next_multiple_of(4))?,
            }),
            false => None,
        };
        Ok(Self { y, saved })
    }
}

/// Adds y and what the gradient needs.
///
/// Exact for any finite q and |v| <= 1e30; |k| and |w| count as 1e30 beyond it. Where the form is causal, what comes later changes
/// no bit of what came before.
///
/// # Errors
/// [`Error::Shape`] if an operand does not fit; [`Error::LimitExceeded`] if T is too long.
pub fn forward(b: &mut Builder, mix: &Mix<'_>, biases: &Biases<'_>, qkv: &Plane, out: &Mixed) -> Result<()> {
    mix.check(qkv, out)?;
    biases.check(mix)?;
    let centre = out.saved.as_ref().map(|saved| &saved.centre);
    if let Some(centre) = centre {
        add_centre(b, mix, qkv, centre)?;
    }
    if let Some(grid) = biases.on_grid(mix) {
        return grid::forward(b, mix, &grid, qkv, out);
    }
    let cut = biases.cut(b, mix)?;
    let rest = match cut.outside {
        Some(0) => return simple::forward(b, mix, qkv, out),
        Some(gap) => {
            let outside = Outside { before: Some(gap), after: (!mix.causal).then_some(gap) };
            Some(rest::sums(b, mix, Items::Keys { qkv, centre }, outside)?)
        }
        None => None,
    };
    let bias = cut.plane(b)?;
    for panel in cut.iter(mix.time, &bias) {
        biases.form(b, mix, &panel)?;
        pairs::forward(b, mix, &panel, rest.as_ref(), qkv, out)?;
    }
    Ok(())
}

/// Operands of the gradient.
pub struct Backward<'a> {
    /// The forward pass's input [B T, 3 D4].
    pub qkv: &'a Plane,
    /// What the forward pass gave, with what it saved.
    pub out: &'a Mixed,
    /// Gradient of y [B T, D].
    pub dy: &'a Plane,
    /// Output: gradients of q, k and v, laid out as they are [B T, 3 D4].
    pub dqkv: &'a Plane,
    /// Output: gradient of the biases' parameters; none for a form without.
    pub dbiases: Option<BiasGradient<'a>>,
}

/// Adds the gradients of q, k, v and the biases.
///
/// Exact for |v| and |dy| up to 1e18, where the sums of their products over the rows that see a key stay in f32.
///
/// # Errors
/// As [`forward`]; [`Error::Config`] if the forward pass saved nothing for the gradient.
pub fn backward(b: &mut Builder, mix: &Mix<'_>, biases: &Biases<'_>, args: &Backward<'_>) -> Result<()> {
    let Backward { qkv, out, dqkv, dbiases, .. } = *args;
    mix.check(qkv, out)?;
    biases.check(mix)?;
    dbiases.map_or(Ok(()), |target| biases.check_gradient(target))?;
    let saved = out
        .saved
        .as_ref()
        .ok_or_else(|| Error::Config("aft: the forward pass saved nothing for the gradient".into()))?;
    let g = b.plane("aft G", mix.rows(), mix.channels)?;
    add_rows(b, mix, args, saved, &g)?;
    let rows = Rows { qkv, centre: &saved.centre, lr: &saved.lr, g: &g, others: Others::None };
    if let Some(grid) = biases.on_grid(mix) {
        grid::gradient(b, mix, &grid, &rows, dqkv)?;
        if let Some(BiasGradient::Taps(target)) = dbiases {
            taps::gradient(b, mix, &grid.taps, &rows, target)?;
        }
        return Ok(());
    }
    let cut = biases.cut(b, mix)?;
    let rest = match cut.outside {
        Some(0) => {
            simple::gradient(b, mix, &rows, dqkv)?;
            return Ok(());
        }
        Some(gap) => {
            let outside = Outside { before: (!mix.causal).then_some(gap), after: Some(gap) };
            Some(rest::sums(b, mix, Items::Rows { lr: &saved.lr, g: &g }, outside)?)
        }
        None => None,
    };
    let sums = match (&rest, cut.count) {
        (Some(_), _) | (_, 1) => None,
        _ => {
            let parts = if cut.level() > 1 { 4 } else { 2 };
            Some(b.scratch("aft sums", parts * 16 * u64::from(mix.rows()) * u64::from(g.stride()))?)
        }
    };
    let others = match (&rest, &sums) {
        (Some(rest), _) => Others::Rest(rest),
        (None, Some(sums)) => Others::Panels(sums),
        (None, None) => Others::None,
    };
    let rows = Rows { others, ..rows };
    let bias = cut.plane(b)?;
    let dbias = dbiases.map(|_| biases.panel_gradient(b, &cut, mix.time)).transpose()?;
    for panel in cut.iter(mix.time, &bias) {
        biases.form(b, mix, &panel)?;
        pairs::gradient(b, mix, &panel, &rows, dqkv)?;
        if let (Some(target), Some(dbias)) = (dbiases, &dbias) {
            biases.gradient(b, mix, &panel, &rows, dbias, target)?;
        }
    }
    Ok(())
}

fn add_centre(b: &mut Builder, mix: &Mix<'_>, qkv: &Plane, centre: &Plane) -> Result<()> {
    let width = qkv.stride() / 3;
    let Mix { batch, time, mask, .. } = *mix;
    let call = CentreKernel { batch, time, width, qkv, mask: mask.map(Array::from), centre };
    let elements = f64::from(mix.rows()) * f64::from(width);
    let cost = Cost { flops: 24.0 * elements, bytes: 32.0 * elements };
    // Two walks over the positions, and the joins.
    let trips = |lanes: u64| 2 * u64::from(time).div_ceil(lanes) + 80;
    let lanes = trips::lanes(b.tuning().shared_rows, "aft: the mean of the values", &CENTRE_LANES, trips)?;
    let groups = (u64::from(batch) * u64::from(width) * u64::from(lanes)).div_ceil(64);
    b.run(&call, &centre_variant(b.placement, lanes), groups, cost)?;
    Ok(())
}

fn add_rows(b: &mut Builder, mix: &Mix<'_>, args: &Backward<'_>, saved: &Saved, g: &Plane) -> Result<()> {
    let Backward { qkv, out, dy, dqkv, .. } = *args;
    expect_shape("aft: dy", (out.y.rows, out.y.cols), (dy.rows, dy.cols))?;
    expect_shape("aft: dqkv", (qkv.rows, qkv.cols), (dqkv.rows, dqkv.cols))?;
    let width = qkv.stride() / 3;
    let call = RowsKernel {
        rows: mix.rows(),
        cols: mix.channels,
        width,
        gated: mix.gated.into(),
        qkv,
        dy,
        y: &out.y,
        lr: &saved.lr,
        dqkv,
        g,
    };
    let elements = f64::from(mix.rows()) * f64::from(width);
    let cost = Cost { flops: 80.0 * elements, bytes: 96.0 * elements };
    let groups = (u64::from(mix.rows()) * u64::from(width)).div_ceil(64);
    b.run(&call, &b.special(), groups, cost)?;
    Ok(())
}

fn centre_variant(placement: Placement, lanes: u32) -> Specialization {
    Specialization::new(placement).with("LANES", lanes)
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let [few, many] = CENTRE_LANES.map(|lanes| (CentreKernel::KERNEL, centre_variant(placement, lanes)));
    vec![few, many, (RowsKernel::KERNEL, Specialization::new(placement))]
}
