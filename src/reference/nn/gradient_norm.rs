//! Clipping by the global norm (Pascanu, Mikolov and Bengio, 2013, arXiv 1211.5063, Algorithm 1).
//!
//! ```text
//! norm   = sqrt(sum of g^2 over every gradient)
//! factor = min(1, max_norm / norm)
//! ```

/// The L2 norm of all `gradients` together.
pub fn norm(gradients: &[&[f64]]) -> f64 {
    gradients.iter().copied().flatten().map(|g| g * g).sum::<f64>().sqrt()
}

/// The factor that clips gradients of norm `norm` to at most `max_norm`.
///
/// It is 1 for a norm of 0, and for NaN, which the caller must check.
pub fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if norm > max_norm { max_norm / norm } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_over_all_slices() {
        assert_eq!(norm(&[&[1.0, -2.0], &[], &[2.0, 4.0]]), 5.0);
        assert_eq!(norm(&[]), 0.0);
        assert_eq!(norm(&[&[3e30, 4e30]]), 5e30);
    }

    #[test]
    fn only_long_gradients_are_clipped() {
        assert_eq!([0.0, 0.5, 1.0, 4.0].map(|norm| clip_factor(norm, 1.0)), [1.0, 1.0, 1.0, 0.25]);
        assert_eq!(clip_factor(0.0, 0.0), 1.0);
    }
}
