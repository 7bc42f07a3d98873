//! The Attention Free Transformer: mixing over time, channel by channel (Eq. 2; all products element-wise).
//!
//! ```text
//! y_t = sigmoid(q_t) * R_t,  R_t = sum over t' of e^(k_t' + w_tt') v_t' / sum over t' of e^(k_t' + w_tt')
//! ```
//!
//! The variants differ in w: [`simple`] has none, [`local`] has one within a window, and [`band`] factorises that
//! window. Causal means that the sums end at t' = t. The gradients follow from G and the share p of each key:
//!
//! ```text
//! G_t = dy_t sigmoid(q_t),  p_tt' = e^(k_t' + w_tt') / sum over t' of e^(k_t' + w_tt')
//! dq_t   = dy_t R_t sigmoid(q_t) sigmoid(-q_t)
//! dv_t'  = sum over t of p_tt' G_t
//! dk_t'  = sum over t of p_tt' G_t (v_t' - R_t)
//! dw_tt' = sum over batch and channels of p_tt' G_t (v_t' - R_t)
//! ```
pub mod band;
pub mod local;
pub mod local_stream;
pub mod simple;
pub mod simple_stream;
pub mod state;

/// The logistic function, without overflow and exact to rounding in both tails.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The gate at one element and its derivative; without q the gate is 1.
///
/// 1 - sigmoid(q) is computed as sigmoid(-q), so that a saturated gate keeps its true derivative.
fn gate(q: Option<&[f64]>, index: usize) -> (f64, f64) {
    q.map_or((1.0, 0.0), |q| (sigmoid(q[index]), sigmoid(q[index]) * sigmoid(-q[index])))
}

/// What a mixing pass returns; both are `[B, T, D]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The mixed and gated values.
    pub y: Vec<f64>,
    /// L, the logarithm of the lower sum, in nats.
    pub log_den: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saturated_gate_keeps_its_derivative() {
        let (value, slope) = gate(Some(&[40.0]), 0);
        assert_eq!(value, 1.0);
        assert!((slope / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
        assert_eq!(gate(Some(&[-1e4]), 0), (0.0, 0.0));
        assert_eq!(gate(Some(&[1e4]), 0), (1.0, 0.0));
        assert_eq!(gate(None, 7), (1.0, 0.0));
    }
}
