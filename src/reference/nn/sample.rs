//! Sampling of a token from softmax(logits / temperature), cut to the `top_k` likeliest tokens and then to the fewest
//! of these whose share reaches `top_p` (nucleus sampling: Holtzman et al., arXiv 1904.09751).
//!
//! ```text
//! w_r = e^((logit_r - logit_0) / temperature)   for rank r, from the likeliest token on
//! kept = the first r + 1 ranks, with the smallest r at which w_0 + .. + w_r >= top_p (sum of all w)
//! the first kept rank r at which w_0 + .. + w_r > u (sum of the kept w)
//! ```

/// Sampling settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits; 0 takes the likeliest token, the lowest of equals.
    pub temperature: f64,
    /// Number of likeliest tokens to keep; 0 keeps all.
    pub top_k: usize,
    /// Share of the probability to keep; 1 keeps all.
    pub top_p: f64,
}

/// Result of a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: usize,
    /// Smallest change of a partial sum that would change the draw, as a share of the sum of weights.
    pub margin: f64,
}

/// The number in (0, 1) of a random word: its upper 23 bits plus one half, over 2^23.
pub fn unit(word: u32) -> f64 {
    (f64::from(word >> 9) + 0.5) / 8_388_608.0
}

/// Draws from `logits` `[V]`, without NaN, for u in (0, 1).
pub fn draw(logits: &[f64], sampling: &Sampling, u: f64) -> Drawn {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    // The sort is stable: the lowest of equal tokens comes first.
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    if sampling.temperature == 0.0 {
        return Drawn { token: order[0], margin: f64::INFINITY };
    }
    if sampling.top_k > 0 {
        order.truncate(sampling.top_k);
    }
    let mut sums = Vec::new();
    let mut sum = 0.0;
    for &token in &order {
        sum += ((logits[token] - logits[order[0]]) / sampling.temperature).exp();
        sums.push(sum);
    }
    let mut margin = f64::INFINITY;
    if sampling.top_p < 1.0 {
        let goal = sampling.top_p * sum;
        let kept = sums.iter().position(|&s| s >= goal).map_or(sums.len(), |last| last + 1);
        margin = nearest(&sums, goal) / sum;
        sums.truncate(kept);
    }
    let sum = sums[sums.len() - 1];
    let rank = sums.iter().position(|&s| s > u * sum).unwrap_or(sums.len() - 1);
    Drawn { token: order[rank], margin: margin.min(nearest(&sums, u * sum) / sum) }
}

/// Smallest distance of a sum from `goal`.
fn nearest(sums: &[f64], goal: f64) -> f64 {
    sums.iter().fold(f64::INFINITY, |least, s| least.min((s - goal).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0 };

    fn token(sampling: Sampling, u: f64) -> usize {
        // Logits with these probabilities.
        let logits = [0.1, 0.4, 0.3, 0.1, 0.1].map(f64::ln);
        draw(&logits, &sampling, u).token
    }

    #[test]
    fn shares_are_taken_from_the_likeliest_on() {
        assert_eq!([0.001, 0.39, 0.41, 0.69, 0.71, 0.81, 0.999].map(|u| token(PLAIN, u)), [1, 1, 2, 2, 0, 3, 4]);
    }

    #[test]
    fn temperature_is_a_power_of_the_shares() {
        // The squares are 1, 16, 9, 1 and 1 of 28.
        let cold = Sampling { temperature: 0.5, ..PLAIN };
        assert_eq!([15.9, 16.1, 24.9, 25.1, 27.1].map(|w| token(cold, w / 28.0)), [1, 2, 2, 0, 4]);
        assert_eq!(token(Sampling { temperature: 0.0, ..PLAIN }, 0.999), 1);
    }

    #[test]
    fn cuts_leave_the_likeliest() {
        let top_k = |top_k, u| token(Sampling { top_k, ..PLAIN }, u);
        assert_eq!([top_k(1, 0.999), top_k(2, 0.999), top_k(2, 0.57), top_k(2, 0.58)], [1, 2, 1, 2]);
        let top_p = |top_p, u| token(Sampling { top_p, ..PLAIN }, u);
        assert_eq!([top_p(0.39, 0.999), top_p(0.41, 0.999), top_p(0.69, 0.999), top_p(0.71, 0.999)], [1, 2, 2, 0]);
        // The first of the two likeliest alone has more than half.
        assert_eq!(token(Sampling { top_k: 2, top_p: 0.5, ..PLAIN }, 0.999), 1);
    }

    #[test]
    fn margins_are_distances_to_the_nearest_sum() {
        let logits = [0.75, 0.25].map(f64::ln);
        let margin = |sampling, u| draw(&logits, &sampling, u).margin;
        assert!((margin(PLAIN, 0.7) - 0.05).abs() < 1e-12);
        assert!((margin(Sampling { top_p: 0.76, ..PLAIN }, 0.5) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn units_are_inside_of_the_interval() {
        assert!(unit(0) > 0.0 && unit(u32::MAX) < 1.0);
        assert_eq!(unit(1 << 31), 0.5 + 0.5 / 8_388_608.0);
    }
}
