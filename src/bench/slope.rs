//! The growth of time with T: the exponent n of time = c T^n.

/// A fitted exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// n in time = c T^n: 1 is linear, 2 quadratic.
    pub exponent: f64,
    /// The smallest T.
    pub from: f64,
    /// The largest T.
    pub to: f64,
    /// Number of T values in the fit.
    pub points: usize,
}

/// The slope of times (T, milliseconds) by ascending T: a least-squares line through (ln T, ln time). None for fewer than two T.
pub fn slope(times: &[(f64, f64)]) -> Option<Slope> {
    let (&(from, _), &(to, _)) = (times.first()?, times.last()?);
    let logs: Vec<_> = times.iter().map(|(length, time)| (length.ln(), time.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / logs.len() as f64;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let along: f64 = logs.iter().map(|log| (log.0 - x) * (log.0 - x)).sum();
    let up: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    (along > 0.0).then(|| Slope { exponent: up / along, from, to, points: times.len() })
}
