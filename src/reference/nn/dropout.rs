//! Dropout with a counter-based mask (Srivastava et al., 2014; inverted scaling). Whether an element is kept depends
//! only on its place, so the gradient draws the same mask again and any step can be replayed.
//!
//! Four neighbouring channels share one draw of random words (wrapping 32-bit arithmetic):
//!
//! ```text
//! word = pcg4d([row * ceil(cols / 4) + col / 4, site, step, seed])[col % 4]
//! kept iff word >= floor(rate * 2^32)
//! ```
//!
//! Kept values are scaled by 1 / (1 - rate), computed in f32. The shader draws the same words, bit for bit.
use crate::random::pcg4d;

/// A dropout mask for any number of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask {
    /// Columns of a row.
    pub cols: usize,
    /// Number of this dropout in the model.
    pub site: u32,
    /// The training step.
    pub step: u32,
    /// The seed of the run.
    pub seed: u32,
    /// The probability that an element is dropped, in [0, 1).
    pub rate: f32,
}

impl Mask {
    /// Whether the element at (row, col) is kept.
    pub fn keep(&self, row: usize, col: usize) -> bool {
        let c4_count = self.cols.div_ceil(4) as u32;
        let place = (row as u32).wrapping_mul(c4_count).wrapping_add((col / 4) as u32);
        pcg4d([place, self.site, self.step, self.seed])[col % 4] >= self.threshold()
    }

    /// Words below this drop their element: floor(rate 2^32).
    pub fn threshold(&self) -> u32 {
        (f64::from(self.rate) * 4_294_967_296.0) as u32
    }

    /// The factor on kept elements, 1 / (1 - rate).
    pub fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// Applies the mask to rows of `cols` values.
    fn apply(&self, values: &[f64]) -> Vec<f64> {
        let scaled = |(i, value): (usize, &f64)| {
            if self.keep(i / self.cols, i % self.cols) { value * f64::from(self.scale()) } else { 0.0 }
        };
        values.iter().enumerate().map(scaled).collect()
    }
}

/// The values after dropout.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `[rows, cols]`.
    pub y: Vec<f64>,
}

/// The gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of the input `[rows, cols]`.
    pub dx: Vec<f64>,
}

/// Drops elements of `x` `[rows, cols]`.
pub fn forward(mask: &Mask, x: &[f64]) -> Forward {
    Forward { y: mask.apply(x) }
}

/// The gradient of [`forward`] for `dy` `[rows, cols]`, by the same mask.
pub fn gradient(mask: &Mask, dy: &[f64]) -> Gradient {
    Gradient { dx: mask.apply(dy) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::differences::{assert_gradient, dot, normal};

    const MASK: Mask = Mask { cols: 7, site: 3, step: 11, seed: 42, rate: 0.25 };

    fn bits(mask: &Mask, rows: usize) -> Vec<bool> {
        (0..rows * mask.cols).map(|i| mask.keep(i / mask.cols, i % mask.cols)).collect()
    }

    #[test]
    fn the_rate_is_kept_in_every_lane() {
        let rows = 20_000;
        for rate in [0.1, 0.5, 0.9] {
            let mask = Mask { cols: 4, rate, ..MASK };
            for lane in 0..4 {
                let dropped = (0..rows).filter(|&row| !mask.keep(row, lane)).count() as f64;
                let p = f64::from(rate);
                // Five standard deviations of a binomial count.
                assert!((dropped / rows as f64 - p).abs() < 5.0 * (p * (1.0 - p) / rows as f64).sqrt());
            }
        }
    }

    #[test]
    fn every_counter_and_lane_makes_another_mask() {
        let here = bits(&MASK, 50);
        for other in [Mask { site: 4, ..MASK }, Mask { step: 12, ..MASK }, Mask { seed: 43, ..MASK }] {
            let same = here.iter().zip(bits(&other, 50)).filter(|(a, b)| **a == *b).count();
            // Independent masks agree in 0.75^2 + 0.25^2 = 0.625 of 350 elements, 219 +- 9.
            assert!((174..264).contains(&same), "{same} of 350 agree");
        }
        let lanes: Vec<Vec<bool>> = (0..4).map(|c| (0..50).map(|r| MASK.keep(r, c)).collect()).collect();
        assert!((1..4).all(|c| lanes[c] != lanes[0]));
    }

    #[test]
    fn the_mask_is_that_of_the_formula() {
        // A row of 7 has two groups of four.
        for (row, col) in (0..50).flat_map(|row| (0..7).map(move |col| (row, col))) {
            let word = pcg4d([row * 2 + col / 4, 3, 11, 42])[col as usize % 4];
            assert_eq!(MASK.keep(row as usize, col as usize), word >= 1 << 30, "({row}, {col})");
        }
        let at = |rate| Mask { rate, ..MASK };
        assert_eq!([0.0, 0.25, 0.5].map(|rate| at(rate).threshold()), [0, 1 << 30, 1 << 31]);
        assert_eq!([0.0, 0.5, 0.75].map(|rate| at(rate).scale()), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn a_rate_of_zero_keeps_everything() {
        let x = normal(1, 35);
        assert_eq!(forward(&Mask { rate: 0.0, ..MASK }, &x).y, x);
    }

    #[test]
    fn the_gradient_is_the_central_difference() {
        let (x, dy) = (normal(1, 35), normal(2, 35));
        let grad = gradient(&MASK, &dy);
        for (i, (dx, dy)) in grad.dx.iter().zip(&dy).enumerate() {
            // The scale is rounded to f32.
            let expected = if MASK.keep(i / 7, i % 7) { dy / 0.75 } else { 0.0 };
            assert!((dx - expected).abs() <= 1e-7 * dy.abs());
        }
        assert_gradient("dx", &grad.dx, &x, |x| dot(&forward(&MASK, x).y, &dy));
    }
}
