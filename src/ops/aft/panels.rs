//! How the biases of a form are cut into panels of rows that fit into memory, and where they lie in a panel.

use crate::error::Result;
use crate::gpu::Plane;
use crate::ops::Builder;
use crate::ops::aft::mix::Mix;
use crate::ops::aft::rest;

/// Where biases lie in their plane (`shaders/lib/aft_seen.wgsl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Row t sees key t' if |t - t'| < reach.
    pub(crate) reach: u32,
    /// Blocks ahead of a row's own at which its columns begin, where they slide with the rows; else they begin at block 0.
    pub(crate) slide: Option<u32>,
    /// Rows of a head, after which they begin again.
    pub(crate) period: u32,
    /// Channels of a head; none where all share the biases.
    pub(crate) head_channels: Option<u32>,
}

impl Layout {
    /// Loop iterations of a tile of rows over the blocks that it sees, or of a tile of keys over those that see it.
    pub(crate) fn trips(self, time: u32, causal: bool) -> u64 {
        let all = u64::from(time.div_ceil(4));
        let one_way = u64::from(self.reach.min(time) / 4) + 2;
        let blocks = all.min(if causal { one_way } else { 2 * one_way });
        blocks + blocks.div_ceil(64) + 2
    }
}

/// The constant HEADS (`shaders/lib/aft_biases.wgsl`) of heads of so many channels; none where all share the biases.
pub(crate) fn heads(head_channels: Option<u32>) -> u32 {
    match head_channels {
        None => 0,
        Some(channels) if channels.is_multiple_of(4) => 1,
        Some(_) => 2,
    }
}

/// Biases at hand for rows `first_row .. first_row + rows`.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
    /// Blocks of four biases.
    pub(crate) plane: &'a Plane,
    pub(crate) layout: Layout,
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    /// Blocks of four rows of every panel but the last, which may have fewer.
    pub(crate) blocks: u32,
    /// Panels whose sums are added in one level (`shaders/lib/aft_turn.wgsl`).
    pub(crate) level: u32,
}

impl Panel<'_> {
    /// Pairs of a row and a key that are computed, for `time` positions. A tile touches up to four keys more than a row sees.
    pub(crate) fn pairs(&self, time: u32, causal: bool) -> f64 {
        let (reach, time) = (f64::from(self.layout.reach.min(time)), f64::from(time));
        f64::from(self.rows) * (4.0 + if causal { reach } else { (2.0 * reach).min(time) })
    }

    /// The blocks of keys that the panel's rows see: those whose rows (`blocks_of_rows`, `shaders/lib/aft_seen.wgsl`) are among
    /// them.
    pub(crate) fn keys(&self, time: u32, causal: bool) -> std::ops::Range<u32> {
        let back = (self.layout.reach + 2) / 4;
        let end = (self.first_row + self.rows).div_ceil(4) + if causal { 0 } else { back };
        (self.first_row / 4).saturating_sub(back)..end.min(time.div_ceil(4))
    }

    /// Whether no panel follows.
    pub(crate) fn is_last(&self, time: u32) -> bool {
        self.first_row + self.rows >= time
    }
}

/// Parameters of which a panel holds some rows.
pub(crate) enum Parameters {
    /// Factors of so many ranks, padding included.
    Factors { ranks: u32 },
    /// Biases as themselves, in rows of so many floats.
    Dense { stride: u32 },
}

/// How the biases of a form are cut, and which keys are outside of them.
pub(crate) struct Cut {
    pub(crate) layout: Layout,
    /// Rows and columns (floats) of the plane of blocks.
    pub(crate) plane: [u32; 2],
    /// Rows of a panel.
    pub(crate) rows: u32,
    /// The window, where there are keys outside of it.
    pub(crate) outside: Option<u32>,
    /// Panels.
    pub(crate) count: u32,
}

/// Panels whose sums are added in one level, where there are more.
const LEVEL: u32 = 32;

impl Cut {
    /// One panel whose columns slide with the rows, for keys less than `reach` away.
    pub(crate) fn sliding(mix: &Mix<'_>, reach: u32, period: u32) -> Self {
        let back = (reach + 2) / 4;
        let ahead = if mix.causal { 0 } else { back };
        let layout = Layout { reach, slide: Some(ahead), period, head_channels: None };
        let plane = [period, 4 * (back + ahead + 1)];
        Self { layout, plane, rows: mix.time, outside: Some(reach), count: 1 }
    }

    /// As many panels as it takes that they fit into memory. Columns slide where these are fewer than all keys.
    pub(crate) fn panels(b: &Builder, mix: &Mix<'_>, window: u32, of: &Parameters) -> Result<Self> {
        let whole = window >= mix.time && window > 0;
        let mut cut = Self::sliding(mix, window.min(mix.time), mix.time);
        cut.outside = (!whole).then_some(window);
        let all = 4 * mix.time.div_ceil(4);
        let [_, columns] = cut.plane;
        if whole || columns >= all {
            cut.layout.slide = None;
        }
        let columns = columns.min(all);
        cut.rows = rows(b, mix, columns, cut.outside.is_some(), of)?.min(mix.time);
        cut.layout.period = cut.rows;
        cut.plane = [cut.rows, columns];
        cut.count = mix.time.div_ceil(cut.rows);
        Ok(cut)
    }

    /// Memory for the blocks of a panel.
    pub(crate) fn plane(&self, b: &mut Builder) -> Result<Plane> {
        let [rows, columns] = self.plane;
        b.plane("aft biases", rows, columns)
    }

    /// Panels whose sums are added in one level: all, or so few that a sum of so many terms keeps its digits.
    pub(crate) fn level(&self) -> u32 {
        if self.count > LEVEL { LEVEL } else { 1 }
    }

    /// The panels, with their biases in `plane`.
    pub(crate) fn iter<'a>(&self, time: u32, plane: &'a Plane) -> impl Iterator<Item = Panel<'a>> + use<'a> {
        let (layout, panel_rows, level) = (self.layout, self.rows, self.level());
        (0..time).step_by(panel_rows as usize).map(move |first_row| {
            let rows = panel_rows.min(time - first_row);
            Panel { plane, layout, first_row, rows, blocks: panel_rows.div_ceil(4), level }
        })
    }
}

/// Rows of a panel whose plane has so many columns, in floats.
///
/// A pass may take six planes [B T, D4] and 64 T floats beside its inputs and outputs. Five planes are G and what comes from
/// outside of a window, or sums over panels. What is left has to hold a panel, its gradient, and what goes from one strip to the
/// next (`rest.rs`), or from one panel to the next (`factors.rs`). Biases as themselves may take as much again as they are: 64 rows
/// and their gradient, where memory has no place for them otherwise.
fn rows(b: &Builder, mix: &Mix<'_>, columns: u32, outside: bool, of: &Parameters) -> Result<u32> {
    let [batch, time, columns] = [mix.batch, mix.time, columns].map(u64::from);
    let carries = if outside { rest::carries(b, mix)? } else { 0 };
    let stride = match *of {
        Parameters::Factors { .. } => 0,
        Parameters::Dense { stride } => stride.into(),
    };
    let room = (time * (batch * u64::from(mix.channels.next_multiple_of(4)) + 64)).saturating_sub(carries);
    let binding = b.gpu.caps().limits.max_storage_buffer_binding_size;
    let most = |room: u64| (room / (2 * columns)).min(binding / (4 * columns.max(stride)));
    if most(room) >= time {
        return Ok(mix.time);
    }
    Ok(match *of {
        // Rows of a parameter are bound from a multiple of 256 bytes on.
        Parameters::Dense { .. } => (most(room) / 64 * 64).max(64),
        Parameters::Factors { ranks } => {
            // Few rows a panel make many panels: in whole workgroups of rows, unless memory has no place for one.
            let step = |rows: u64| if rows >= 32 { rows / 32 * 32 } else { (rows / 4 * 4).max(16) };
            let rows = step(most(room));
            if time.div_ceil(rows) <= LEVEL.into() {
                rows
            } else {
                step(most(room.saturating_sub(time.next_multiple_of(4) * u64::from(ranks))))
            }
        }
    } as u32)
}
