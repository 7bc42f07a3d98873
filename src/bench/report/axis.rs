//! A logarithmic axis.

/// Maps values to positions in a picture.
pub struct LogAxis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl LogAxis {
    /// An axis for positive values between two positions in the picture, with a margin at both ends.
    pub fn of(values: impl Iterator<Item = f64>, start: f64, end: f64) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), x| (low.min(x), high.max(x)));
        let span = (high / low).ln();
        // A twentieth of the axis, and enough for two of the ticks below, which are at most a factor of 2.5 apart.
        let room = f64::max(0.05 * span, (2.0 * 2.5_f64.ln() - span) / 2.0);
        Self { low: low.ln() - room, high: high.ln() + room, start, end }
    }

    /// The position of a value.
    pub fn place(&self, value: f64) -> f64 {
        let share = (value.ln() - self.low) / (self.high - self.low);
        self.start + share * (self.end - self.start)
    }

    /// Powers of ten, and 2 and 5 times these if there are few.
    pub fn decimal_ticks(&self) -> Vec<f64> {
        let decades = (self.high - self.low) / std::f64::consts::LN_10;
        let steps: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let tens = |ln: f64| ln / std::f64::consts::LN_10;
        let powers = tens(self.low).floor() as i32..=tens(self.high).ceil() as i32;
        // Powers of ten below 1 are most accurate as quotients.
        let ten = |power: i32| if power < 0 { 1.0 / 10_f64.powi(-power) } else { 10_f64.powi(power) };
        let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * ten(power)));
        ticks.filter(|tick| (self.low..=self.high).contains(&tick.ln())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_are_equal_distances() {
        let axis = LogAxis::of([256.0, 4096.0].into_iter(), 100.0, 500.0);
        let [a, b, c] = [256.0, 1024.0, 4096.0].map(|x| axis.place(x));
        assert!((b - a - (c - b)).abs() < 1e-9 && a > 100.0 && c < 500.0, "{a} {b} {c}");
    }

    #[test]
    fn there_are_ticks_for_any_span() {
        for (low, span) in [(0.03, 1.0), (2.2, 1.0), (0.9, 1.5), (3.0, 30.0), (0.1, 1e3), (1e-4, 1e9)] {
            let ticks = LogAxis::of([low, low * span].into_iter(), 0.0, 1.0).decimal_ticks();
            assert!((2..=12).contains(&ticks.len()), "{low} and {span} times that: {ticks:?}");
        }
    }
}
