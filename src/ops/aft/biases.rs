//! The biases w of AFT's forms: where they come from, and where their gradients go.

use crate::error::{Error, Result, expect_at_least, expect_count, expect_shape};
use crate::gpu::{Buffer, Plane, Weights};
use crate::ops::aft::dense::{self, Columns, Rowed};
use crate::ops::aft::grid::Grid;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::pairs::Rows;
use crate::ops::aft::panels::{Cut, Layout, Panel, Parameters};
use crate::ops::aft::taps::{self, Taps};
use crate::ops::aft::{factors, pairs_grad_bias};
use crate::ops::{Builder, Gradient};

/// The biases w_tt' of a form. In each of them, what lies outside of a window counts with w = 0.
#[derive(Clone, Copy)]
pub enum Biases<'a> {
    /// None: AFT-simple (Eq. 5).
    None,
    /// u v^T (Eq. 7) where |t - t'| < window. A window of 0 is AFT-simple, one of T or more AFT-full. A product is a sum over the
    /// ranks in f32: for no row and key may the sum of |u_tr v_t'r| reach 3e38, even if its terms cancel.
    Factors {
        /// Factor of the rows [T, R].
        u: &'a Weights,
        /// Factor of the keys [T, R].
        v: &'a Weights,
        /// The window s.
        window: u32,
    },
    /// AFT-full (Eq. 2): w [T, T], row by row.
    Full(Rowed<'a>),
    /// AFT-local (Eq. 4): a band [T, s] if it is causal, else [T, 2 s - 1]; column j of row t is key t - (s - 1) + j.
    Band {
        /// The band.
        w: Rowed<'a>,
        /// The window s.
        window: u32,
    },
    /// AFT-conv (Eq. 6), on a line or a grid. Of size S, on a causal line, tap i stands for key t - (S - 1) + i; else S is odd, and
    /// it stands for key t + i - (S - 1)/2, likewise by rows and columns of a grid.
    Taps(Taps<'a>),
}

/// The biases of all positions of a causal form on a line, at hand for a stream.
#[derive(Debug)]
pub struct StreamBias {
    pub(crate) plane: Plane,
    pub(crate) layout: Layout,
    /// Positions, T.
    pub(crate) time: u32,
}

impl StreamBias {
    /// Keys that a row sees through biases: min(s, T).
    pub fn reach(&self) -> u32 {
        self.layout.reach
    }

    /// The biases of a band that lies in blocks already [T, [`band_cols`]], at [`band_index`].
    pub fn from_band(plane: Plane, window: u32) -> Self {
        let time = plane.rows;
        let layout = Layout { reach: window.min(time), slide: Some(0), period: time, head_channels: None };
        Self { plane, layout, time }
    }

    /// Adds the biases of T = `time` positions to the builder's program: they are those of the parameters when it runs.
    ///
    /// # Errors
    /// [`Error::Config`] for a form without biases, or on a grid; as [`Plane::new`].
    pub fn new(b: &mut Builder, time: u32, channels: u32, biases: &Biases<'_>) -> Result<Self> {
        let mix = Mix { batch: 1, time, channels, causal: true, gated: true, mask: None };
        biases.check(&mix)?;
        let cut = match *biases {
            Biases::Factors { window, .. } | Biases::Band { window, .. } => Cut::sliding(&mix, window.min(time), time),
            Biases::Full(_) => Cut::sliding(&mix, time, time),
            Biases::Taps(taps) if taps.grid.is_none() => biases.cut(b, &mix)?,
            Biases::None | Biases::Taps(_) => {
                return Err(Error::Config(
                    "aft stream: biases are dense, a band or factors, not absent or taps".into(),
                ));
            }
        };
        // It lasts from one run of the stream's programs to the next.
        let [rows, columns] = cut.plane;
        let plane = Plane::new(&b.gpu, "aft biases", rows, columns, b.placement)?;
        for panel in cut.iter(time, &plane) {
            biases.form(b, &mix, &panel)?;
        }
        Ok(Self { plane, layout: cut.layout, time })
    }
}

/// Where the gradient of the biases goes; of the kind of the biases, and laid out as they are.
#[derive(Clone, Copy)]
pub enum BiasGradient<'a> {
    /// Of u and, as the second tensor, v. Rows past T get 0.
    Factors(&'a Gradient),
    /// Of w or the band: added to what is there if so said. Columns past T get 0; how many rows there are is not known here, and
    /// those past T are not written.
    Dense(Rowed<'a>, bool),
    /// Of the taps.
    Taps(&'a Gradient),
}

/// Columns of the plane of blocks of a causal form, for `time` positions and a window of `window`.
pub fn band_cols(time: u32, window: u32) -> u32 {
    4 * ((window.min(time) + 2) / 4 + 1)
}

/// Where the bias of key `key` lies in row `t` of such a plane; the key is in the window of the row.
pub fn band_index(t: u32, key: u32) -> u32 {
    4 * (t / 4 - key / 4) + key % 4
}

/// Columns of a band.
fn band_width(mix: &Mix<'_>, window: u32) -> u32 {
    if mix.causal { window } else { window.saturating_mul(2).saturating_sub(1) }
}

/// Memory for the gradient of a panel's biases.
pub(crate) struct PanelGradient {
    plane: Plane,
    /// Sums over panels of the gradient of v, where there are many.
    sums: Option<Buffer>,
}

impl<'a> Biases<'a> {
    /// Taps that lie on a grid: they are not cut into panels.
    pub(crate) fn on_grid(&self, mix: &Mix<'_>) -> Option<Grid<'a>> {
        let Self::Taps(taps @ Taps { grid: Some(columns), .. }) = *self else { return None };
        Some(Grid { taps, rows: mix.time / columns, columns })
    }

    /// Of a form on a line.
    pub(crate) fn cut(&self, b: &Builder, mix: &Mix<'_>) -> Result<Cut> {
        let dense = |w: Rowed<'_>| Parameters::Dense { stride: w.stride };
        Ok(match *self {
            Self::None => Cut::sliding(mix, 0, 4),
            Self::Factors { u, window, .. } => {
                Cut::panels(b, mix, window, &Parameters::Factors { ranks: 4 * u.stride() })?
            }
            Self::Band { w, window } => Cut::panels(b, mix, window, &dense(w))?,
            Self::Full(w) => Cut::panels(b, mix, u32::MAX, &dense(w))?,
            Self::Taps(taps) => {
                let reach = if mix.causal { taps.size } else { taps.size.div_ceil(2) };
                let mut cut = Cut::sliding(mix, reach.min(mix.time), 4);
                cut.layout.head_channels = Some(taps.head_channels(mix));
                cut.plane[0] *= taps.heads;
                cut.outside = (reach < mix.time).then_some(reach);
                cut
            }
        })
    }

    /// Memory for the gradient of a panel's biases.
    pub(crate) fn panel_gradient(&self, b: &mut Builder, cut: &Cut, time: u32) -> Result<PanelGradient> {
        let sums = match *self {
            Self::Factors { u, .. } if cut.level() > 1 => Some(factors::sums(b, u, time)?),
            _ => None,
        };
        Ok(PanelGradient { plane: cut.plane(b)?, sums })
    }

    /// Fails unless the parameters have the shapes that their form says.
    pub(crate) fn check(&self, mix: &Mix<'_>) -> Result<()> {
        match *self {
            Self::None => Ok(()),
            Self::Factors { u, v, .. } => factors::check(mix, u, v),
            // Shorter sequences read the upper left corner.
            Self::Full(w) => {
                w.check("aft full: w")?;
                expect_at_least("aft full: w", "columns, one a key", mix.time, w.columns)
            }
            Self::Band { w, window } => {
                w.check("aft local: the band")?;
                expect_count("aft local: the band", "columns", band_width(mix, window), w.columns)
            }
            Self::Taps(taps) => taps.check(mix),
        }
    }

    /// Fails unless the gradient has a place that is laid out as the parameters are.
    pub(crate) fn check_gradient(&self, target: BiasGradient<'_>) -> Result<()> {
        match (self, target) {
            (Self::Factors { window: 0, .. } | Self::Band { window: 0, .. }, _) => {
                Err(Error::Config("aft: a window of 0 reads no biases, so none gets a gradient".into()))
            }
            (Self::Factors { u, v, .. }, BiasGradient::Factors(out)) => {
                let vec4s = |w: &Weights| (w.size_bytes() / 16) as u32;
                expect_shape(
                    "aft: vec4s of the gradients of both factors",
                    [vec4s(u), vec4s(v)],
                    [out.first_len, out.second_len],
                )
            }
            (Self::Full(w) | Self::Band { w, .. }, BiasGradient::Dense(out, _)) => {
                out.check("aft: the biases' gradient")?;
                expect_count("aft: gradient of the biases", "columns", w.columns, out.columns)
            }
            (Self::Taps(taps), BiasGradient::Taps(out)) => {
                let rows = out.first_len / taps.quads();
                expect_count("aft conv: gradient of the taps", "vec4s", rows * taps.quads(), out.first_len)?;
                expect_at_least("aft conv: gradient of the taps", "rows, one a head", taps.heads, rows)
            }
            _ => Err(Error::Config(
                "aft: the gradient is of another kind of biases than the parameters (dense, factors or taps)".into(),
            )),
        }
    }

    /// Which column of a dense parameter stands for a key.
    fn columns(&self, causal: bool) -> Columns {
        match *self {
            Self::Band { window, .. } => Columns::Relative { origin: window.saturating_sub(1) },
            Self::Taps(taps) if causal => Columns::Relative { origin: taps.size - 1 },
            Self::Taps(taps) => Columns::Relative { origin: (taps.size - 1) / 2 },
            Self::None | Self::Factors { .. } | Self::Full(_) => Columns::Absolute,
        }
    }

    /// Adds the biases of a panel's rows.
    pub(crate) fn form(&self, b: &mut Builder, mix: &Mix<'_>, panel: &Panel<'_>) -> Result<()> {
        let (causal, time, columns) = (mix.causal, mix.time, self.columns(mix.causal));
        match *self {
            Self::None | Self::Factors { window: 0, .. } | Self::Band { window: 0, .. } => Ok(()),
            Self::Factors { u, v, .. } => factors::form(b, mix, panel, [u, v]),
            Self::Full(w) | Self::Band { w, .. } => dense::spread(b, causal, time, panel, w, columns, false),
            Self::Taps(taps) => dense::spread(b, causal, time, panel, taps.rowed(), columns, true),
        }
    }

    /// Adds the gradient that a panel's rows give.
    pub(crate) fn gradient(
        &self,
        b: &mut Builder,
        mix: &Mix<'_>,
        panel: &Panel<'_>,
        rows: &Rows<'_>,
        dbias: &PanelGradient,
        target: BiasGradient<'_>,
    ) -> Result<()> {
        let plane = &dbias.plane;
        match (self, target) {
            (Self::Factors { u, v, .. }, BiasGradient::Factors(target)) => {
                pairs_grad_bias::gradient(b, mix, panel, rows, plane)?;
                factors::gradient(b, mix, panel, [u, v], plane, dbias.sums.as_ref(), target)
            }
            (Self::Full(_) | Self::Band { .. }, BiasGradient::Dense(out, accumulate)) => {
                pairs_grad_bias::gradient(b, mix, panel, rows, plane)?;
                let columns = self.columns(mix.causal);
                dense::gather(b, mix.causal, mix.time, panel, plane, (out, accumulate), columns)
            }
            (Self::Taps(taps), BiasGradient::Taps(target)) => taps::gradient(b, mix, taps, rows, target),
            _ => Err(Error::Config(
                "aft: the gradient is of another kind of biases than the parameters (dense, factors or taps)".into(),
            )),
        }
    }
}
