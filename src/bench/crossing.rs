//! Comparison with attention: pairs of rows of equal T, and the T from which a variant is faster. The two were timed minutes
//! apart, but each in turns with its limit's kernel. If both have the same limit, their times are compared in units of that
//! kernel's time.

use super::Row;
use super::series::{Key, Series};

/// A variant and the attention that it replaces, on one adapter.
#[derive(Debug, Clone, Copy)]
pub struct Contest<'a, 'b> {
    /// A form of AFT, or a model with one.
    pub variant: &'a Series<'b>,
    /// Attention with the same direction, causality, B and D.
    pub attention: &'a Series<'b>,
}

/// A T at which the faster one changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// T, interpolated linearly in ln T and ln time.
    pub length: f64,
    /// Whether the variant is faster above this T.
    pub faster: bool,
}

/// Where the time curves of a variant and attention cross.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossing {
    /// Whether the variant is faster at `from`.
    pub faster: bool,
    /// The crossings, by ascending T.
    pub turns: Vec<Turn>,
    /// The smallest T within both series.
    pub from: f64,
    /// The largest T within both series.
    pub to: f64,
}

/// Every variant of one adapter, paired with every matching attention.
pub fn contests<'a, 'b>(all: &'a [Series<'b>]) -> Vec<Contest<'a, 'b>> {
    let against = |variant: &'a Series<'b>| {
        let opponents = all.iter().filter(move |attention| variant.key.is_against(&attention.key));
        opponents.map(move |attention| Contest { variant, attention })
    };
    all.iter().flat_map(against).collect()
}

impl<'b> Contest<'_, 'b> {
    /// The variant's key.
    pub fn key(&self) -> Key<'b> {
        self.variant.key
    }

    /// Pairs of rows of equal T.
    pub fn pairs(&self) -> Vec<(&'b Row, &'b Row)> {
        let opponent = |row: &&'b Row| self.attention.rows.iter().find(|other| other.T == row.T).copied();
        self.variant.rows.iter().filter_map(|row| Some((*row, opponent(row)?))).collect()
    }

    /// Time of attention divided by that of the variant, for one of [`Contest::pairs`], and whether both were measured in turns
    /// with the same limit's kernel. None if either has no time.
    pub fn ratio(&self, (variant, attention): (&Row, &Row)) -> Option<(f64, bool)> {
        let of = |cost: fn(&Row) -> Option<f64>| Some(cost(attention)? / cost(variant)?).filter(|r| r.is_finite());
        let paired = if variant.limit == attention.limit { of(in_limits) } else { None };
        paired.map(|ratio| (ratio, true)).or_else(|| Some((of(|row| row.median_ms)?, false)))
    }

    /// The crossings; none if no T lies within both series.
    pub fn crossing(&self) -> Option<Crossing> {
        let all = || self.variant.rows.iter().chain(&self.attention.rows);
        let limit = all().next()?.limit.as_ref();
        let paired =
            all().all(|row| row.median_ms.is_none() || (in_limits(row).is_some() && row.limit.as_ref() == limit));
        let cost: fn(&Row) -> Option<f64> = if paired { in_limits } else { |row| row.median_ms };
        let points = |series: &Series<'_>| -> Vec<_> {
            series.rows.iter().filter_map(|row| Some((f64::from(row.T?), cost(row)?))).collect()
        };
        let (variant, attention) = (points(self.variant), points(self.attention));
        let mut lengths: Vec<f64> = variant.iter().chain(&attention).map(|point| point.0).collect();
        lengths.sort_by(f64::total_cmp);
        lengths.dedup();
        // ln of the ratio of times: negative if the variant is faster.
        let ratio = |length: f64| Some((length, log_time(&variant, length)? - log_time(&attention, length)?));
        let ratios: Vec<_> = lengths.into_iter().filter_map(ratio).collect();
        let (&(from, first), &(to, _)) = (ratios.first()?, ratios.last()?);
        let turn = |pair: &[(f64, f64)]| {
            let [(left, before), (right, after)] = *pair else { return None };
            let share = before / (before - after);
            let length = (left.ln() + share * (right / left).ln()).exp();
            ((before < 0.0) != (after < 0.0)).then_some(Turn { length, faster: after < 0.0 })
        };
        Some(Crossing { faster: first < 0.0, turns: ratios.windows(2).filter_map(turn).collect(), from, to })
    }
}

/// A row's time in units of the time that its limit's kernel takes for one operation.
fn in_limits(row: &Row) -> Option<f64> {
    row.median_ms.and(Some(row.flops? / row.percent_of_limit?))
}

/// ln of the time at a length, by log-log interpolation between the points around it.
fn log_time(points: &[(f64, f64)], length: f64) -> Option<f64> {
    let right = points.iter().position(|point| point.0 >= length)?;
    if points[right].0 == length {
        return Some(points[right].1.ln());
    }
    let (&(x0, y0), &(x1, y1)) = (points.get(right.checked_sub(1)?)?, points.get(right)?);
    Some(y0.ln() + (length / x0).ln() / (x1 / x0).ln() * (y1 / y0).ln())
}

impl std::fmt::Display for Crossing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |faster| if faster { "faster" } else { "slower" };
        if self.turns.is_empty() && self.from == self.to {
            return write!(f, "{} at {}", word(self.faster), self.to);
        } else if self.turns.is_empty() {
            return write!(f, "none: {} from {} to {}", word(self.faster), self.from, self.to);
        }
        let turns: Vec<_> =
            self.turns.iter().map(|turn| format!("{} from {:.0}", word(turn.faster), turn.length)).collect();
        f.write_str(&turns.join(", "))
    }
}
