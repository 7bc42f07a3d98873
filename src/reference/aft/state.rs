//! Online softmax state (max, num, den): sums of exponentially weighted values without overflow or underflow.
//!
//! A state holds the sums num e^max = sum of e^x v and den e^max = sum of e^x over the pairs (x, v) pushed so far, with
//! max the largest x. Merging is associative and commutative (up to rounding), [`State::EMPTY`] is neutral:
//!
//! ```text
//! max = max(max1, max2)
//! num = num1 e^(max1 - max) + num2 e^(max2 - max)
//! den = den1 e^(max1 - max) + den2 e^(max2 - max)
//! ```
//!
//! Every factor is at most 1, and den is at least 1 unless the state is empty.

/// A partial sum over keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// The largest exponent; -infinity when empty.
    pub max: f64,
    /// The sum of weighted values, in units of e^max.
    pub num: f64,
    /// The sum of weights, in units of e^max; 0 only when empty.
    pub den: f64,
}

impl Default for State {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl State {
    /// The sum over no pairs.
    pub const EMPTY: Self = Self { max: f64::NEG_INFINITY, num: 0.0, den: 0.0 };

    /// Whether nothing was pushed.
    pub fn is_empty(self) -> bool {
        self.den == 0.0
    }

    /// The sum over the pairs of both.
    pub fn merge(self, other: Self) -> Self {
        // The difference of two infinities would be NaN.
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let max = self.max.max(other.max);
        let (a, b) = ((self.max - max).exp(), (other.max - max).exp());
        Self { max, num: self.num * a + other.num * b, den: self.den * a + other.den * b }
    }

    /// Adds a value with weight e^exponent.
    pub fn push(&mut self, exponent: f64, value: f64) {
        *self = self.merge(Self { max: exponent, num: value, den: 1.0 });
    }

    /// The weighted mean of the values, num / den; NaN when empty.
    pub fn mean(self) -> f64 {
        self.num / self.den
    }

    /// The logarithm of the sum of weights, in nats; -infinity when empty.
    pub fn log_den(self) -> f64 {
        self.max + self.den.ln()
    }

    /// The normalised weight of e^exponent: its share of the sum of weights.
    pub fn share(self, exponent: f64) -> f64 {
        (exponent - self.max).exp() / self.den
    }

    /// The sum of weighted values times e^exponent.
    pub fn num_times_exp(self, exponent: f64) -> f64 {
        if self.is_empty() { 0.0 } else { (exponent + self.max).exp() * self.num }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::normal;

    fn close(a: State, b: State) -> bool {
        a.max == b.max && (a.num - b.num).abs() < 1e-13 && (a.den - b.den).abs() < 1e-13
    }

    fn of(pairs: &[(f64, f64)]) -> State {
        let mut state = State::EMPTY;
        pairs.iter().for_each(|&(x, v)| state.push(x, v));
        state
    }

    #[test]
    fn pushes_are_the_sums_they_stand_for() {
        let pairs: Vec<_> = normal(1, 9).into_iter().zip(normal(2, 9)).collect();
        let (num, den) = pairs.iter().fold((0.0, 0.0), |(n, d), (x, v)| (n + x.exp() * v, d + x.exp()));
        let state = of(&pairs);
        assert!((state.mean() - num / den).abs() < 1e-14);
        assert!((state.log_den() - den.ln()).abs() < 1e-14);
        assert!((state.share(0.3) - 0.3_f64.exp() / den).abs() < 1e-14);
        assert!((state.num_times_exp(0.3) - 0.3_f64.exp() * num).abs() < 1e-14);
    }

    #[test]
    fn merging_is_associative_and_commutative_with_a_neutral_element() {
        let [a, b, c] = [1, 2, 3].map(|i| of(&[(normal(i, 2)[0], 1.0), (normal(i, 2)[1], -2.0)]));
        assert!(close(a.merge(b).merge(c), a.merge(b.merge(c))));
        assert!(close(a.merge(b), b.merge(a)));
        assert_eq!(a.merge(State::EMPTY), a);
        assert_eq!(State::EMPTY.merge(a), a);
        assert_eq!(State::EMPTY.merge(State::EMPTY), State::EMPTY);
        assert_eq!(State::EMPTY.num_times_exp(5.0), 0.0);
    }

    #[test]
    fn exponents_far_beyond_the_range_of_exp_are_exact() {
        for offset in [-1e4, 1e4] {
            let state = of(&[(offset, 1.0), (offset, 3.0), (offset - 1e4, 1e9)]);
            assert_eq!((state.mean(), state.log_den()), (2.0, offset + 2.0_f64.ln()));
            assert_eq!(state.share(offset), 0.5);
        }
    }
}
