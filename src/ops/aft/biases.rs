//! The biases w of AFT's forms: where they come from, how they are cut into panels that fit into memory, and where their
//! gradients go.

use crate::error::{Error, Result, expect_shape};
use crate::gpu::{Plane, Weights};
use crate::ops::aft::dense::{self, Columns, Rowed};
use crate::ops::aft::factors;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::pairs::{self, Layout, Panel, Rows, Source};
use crate::ops::aft::taps::{self, Taps};
use crate::ops::{Builder, Gradient};

/// The biases w_tt' of a form. In each of them, what lies outside of a window counts with w = 0.
#[derive(Clone, Copy)]
pub enum Biases<'a> {
    /// None: AFT-simple (Eq. 5).
    None,
    /// u v^T (Eq. 7) where |t - t'| < window. A window of 0 is AFT-simple, one of T or more AFT-full.
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
            Biases::Taps(taps) if taps.grid.is_none() => biases.cut(&mix)?,
            Biases::None | Biases::Taps(_) => return Err(Error::Config("aft: no stream of such biases".into())),
        };
        let plane = cut.plane(b)?.ok_or_else(|| Error::Config("aft: no plane for the biases".into()))?;
        biases.form(b, &mix, &cut.panel(time, 0, Some(&plane), biases)?)?;
        Ok(Self { plane, layout: cut.layout, time })
    }
}

/// Where the gradient of the biases goes; of the kind of the biases, and laid out as they are.
#[derive(Clone, Copy)]
pub enum BiasGradient<'a> {
    /// Of u and, as the second tensor, v.
    Factors(&'a Gradient),
    /// Of w or the band: added to what is there if so said.
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

/// How the biases of a form are cut, and which keys are outside of them.
pub(crate) struct Cut {
    layout: Layout,
    /// Rows and columns of the plane of blocks; none on a grid.
    plane: Option<[u32; 2]>,
    /// Rows of a panel.
    pub(crate) rows: u32,
    /// The window, where there are keys outside of it.
    pub(crate) outside: Option<u32>,
}

impl Cut {
    /// Panels of rows, every key a column.
    fn whole(mix: &Mix<'_>) -> Self {
        // A panel and its gradient take no more memory than two activations; rows begin at multiples of 64.
        let rows = mix.channels.next_multiple_of(64).min(mix.time.next_multiple_of(4));
        let layout = Layout { reach: mix.time, slide: None, period: rows, head_channels: None };
        Self { layout, plane: Some([rows, mix.time.div_ceil(4)]), rows, outside: None }
    }

    /// Columns that slide with the rows, for keys less than `reach` away.
    fn sliding(mix: &Mix<'_>, reach: u32, period: u32) -> Self {
        let back = (reach + 2) / 4;
        let ahead = if mix.causal { 0 } else { back };
        let layout = Layout { reach, slide: Some(ahead), period, head_channels: None };
        Self { layout, plane: Some([period, back + ahead + 1]), rows: mix.time, outside: Some(reach) }
    }

    fn window(mix: &Mix<'_>, window: u32) -> Self {
        if window >= mix.time && window > 0 { Self::whole(mix) } else { Self::sliding(mix, window, mix.time) }
    }

    /// First rows of the panels.
    pub(crate) fn panels(&self, time: u32) -> impl Iterator<Item = u32> + use<> {
        (0..time).step_by(self.rows as usize)
    }

    /// Memory for the blocks of a panel.
    pub(crate) fn plane(&self, b: &mut Builder) -> Result<Option<Plane>> {
        self.plane.map(|[rows, columns]| b.plane("aft biases", rows, 4 * columns)).transpose()
    }

    pub(crate) fn panel<'a>(
        &self,
        time: u32,
        first_row: u32,
        plane: Option<&'a Plane>,
        biases: &'a Biases<'a>,
    ) -> Result<Panel<'a>> {
        let source = match (plane, biases) {
            (Some(plane), _) => Source::Plane(plane),
            (None, Biases::Taps(taps)) => Source::Grid(taps, taps.grid.unwrap_or(1)),
            (None, _) => return Err(Error::Config("aft: no plane for the biases".into())),
        };
        Ok(Panel { source, layout: self.layout, first_row, rows: self.rows.min(time - first_row) })
    }
}

impl Biases<'_> {
    pub(crate) fn cut(&self, mix: &Mix<'_>) -> Result<Cut> {
        Ok(match *self {
            Self::None => Cut::sliding(mix, 0, 4),
            Self::Factors { window, .. } | Self::Band { window, .. } => Cut::window(mix, window),
            Self::Full(_) => Cut::whole(mix),
            Self::Taps(taps) => {
                let head_channels = Some(taps.head_channels(mix));
                match taps.grid {
                    Some(_) => {
                        let layout = Layout { reach: mix.time, slide: None, period: 1, head_channels };
                        Cut { layout, plane: None, rows: mix.time, outside: None }
                    }
                    None => {
                        let reach = if mix.causal { taps.size } else { taps.size.div_ceil(2) };
                        let mut cut = Cut::sliding(mix, reach.min(mix.time), 4);
                        cut.layout.head_channels = head_channels;
                        cut.plane = cut.plane.map(|[rows, columns]| [rows * taps.heads, columns]);
                        cut.outside = (reach < mix.time).then_some(reach);
                        cut
                    }
                }
            }
        })
    }

    /// Fails unless the parameters have the shapes that their form says.
    pub(crate) fn check(&self, mix: &Mix<'_>) -> Result<()> {
        match *self {
            Self::None => Ok(()),
            Self::Factors { u, v, .. } => factors::check(mix, u, v),
            // Shorter sequences read the upper left corner.
            Self::Full(w) => expect_shape("aft full: a column of w for every key", true, w.columns >= mix.time),
            Self::Band { w, window } => {
                expect_shape("aft local: columns of the band", band_width(mix, window), w.columns)
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
                    "aft: gradients of the factors (vec4s)",
                    [vec4s(u), vec4s(v)],
                    [out.first_len, out.second_len],
                )
            }
            (Self::Full(w) | Self::Band { w, .. }, BiasGradient::Dense(out, _)) => {
                expect_shape("aft: columns of the biases' gradient", w.columns, out.columns)
            }
            (Self::Taps(taps), BiasGradient::Taps(out)) => {
                let heads = out.first_len / taps.quads();
                let whole = (heads >= taps.heads, out.first_len % taps.quads());
                expect_shape("aft conv: gradient of the taps", (true, 0), whole)
            }
            _ => Err(Error::Config("aft: a gradient of another kind of biases".into())),
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
            Self::None => Ok(()),
            Self::Factors { window: 0, .. } | Self::Band { window: 0, .. } => Ok(()),
            Self::Factors { u, v, .. } => factors::form(b, mix, panel, [u, v]),
            Self::Full(w) | Self::Band { w, .. } => dense::spread(b, causal, time, panel, w, columns, false),
            Self::Taps(taps) if taps.grid.is_some() => Ok(()),
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
        dbias: Option<&Plane>,
        target: BiasGradient<'_>,
    ) -> Result<()> {
        let first = panel.first_row == 0;
        match (self, target, dbias) {
            (Self::Factors { u, v, .. }, BiasGradient::Factors(target), Some(dbias)) => {
                pairs::gradient_bias(b, mix, panel, rows, dbias)?;
                factors::gradient(b, mix, panel, [u, v], dbias, target, first)
            }
            (Self::Full(_) | Self::Band { .. }, BiasGradient::Dense(out, accumulate), Some(dbias)) => {
                pairs::gradient_bias(b, mix, panel, rows, dbias)?;
                let columns = self.columns(mix.causal);
                dense::gather(b, mix.causal, mix.time, panel, dbias, (out, accumulate), columns)
            }
            (Self::Taps(taps), BiasGradient::Taps(target), _) => taps::gradient(b, mix, taps, rows, target),
            _ => Err(Error::Config("aft: a gradient of another kind of biases".into())),
        }
    }
}
