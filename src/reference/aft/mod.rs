//! The Attention Free Transformer: mixing over time, per channel (Eq. 2; all products element-wise).
//!
//! ```text
//! y_t = sigmoid(q_t) * R_t,  R_t = sum over t' of e^(k_t' + w_tt') v_t' / sum over t' of e^(k_t' + w_tt')
//! ```
//!
//! Causal: the sums end at t' = t. A mask removes keys from the sums; a row without any key gives 0.
//! The gradients follow from G and the weight p of each key:
//!
//! ```text
//! G_t = dy_t sigmoid(q_t),  p_tt' = e^(k_t' + w_tt') / sum over t' of e^(k_t' + w_tt')
//! dq_t   = dy_t R_t sigmoid(q_t) sigmoid(-q_t)
//! dv_t'  = sum over t of p_tt' G_t
//! dk_t'  = sum over t of p_tt' G_t (v_t' - R_t)
//! dw_tt' = sum over batch and channels of p_tt' G_t (v_t' - R_t)
//! ```
//!
//! The forms differ only in w, so one evaluator serves them all: [`mix`] in full, [`sample`] for a few rows, heads and
//! entries. A form is a [`Layout`], which gives the entry of w for a pair (t, t'):
//!
//! | form | layout | w in memory |
//! | --- | --- | --- |
//! | AFT-simple (Eq. 5) | [`simple::NoBias`] | none |
//! | AFT-full (Eq. 2) | [`full::Dense`] | `[T, T]` |
//! | AFT-local (Eq. 4) | [`band::Band`] | `[T, s]` causal, `[T, 2s - 1]` else |
//! | AFT-conv 1-D (Eq. 6) | [`conv::Line`] | `[H, s]` |
//! | AFT-conv 2-D | [`conv::Grid`] | `[H, s, s]` |
//!
//! [`factors`] computes the w of full and local from factors (Eq. 7), [`kernel_norm`] that of conv from a raw kernel
//! (Eq. 8); both have the gradient, too.
pub mod band;
pub mod conv;
pub mod factors;
pub mod full;
pub mod kernel_norm;
mod layout;
pub mod local;
pub mod local_stream;
pub mod mix;
pub mod sample;
mod sequence;
pub mod simple;
pub mod simple_stream;
pub mod state;
#[cfg(test)]
mod tests;

use super::Dims;
pub use layout::Layout;

/// The logistic function, without overflow and accurate to rounding in both tails.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The gate sigmoid(q) at one element, and its derivative; without q the gate is 1.
///
/// 1 - sigmoid(q) is computed as sigmoid(-q), so that a saturated gate keeps its true derivative.
fn gate(q: Option<&[f64]>, index: usize) -> (f64, f64) {
    q.map_or((1.0, 0.0), |q| (sigmoid(q[index]), sigmoid(q[index]) * sigmoid(-q[index])))
}

/// Inputs of every form.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// B, T and D.
    pub dims: Dims,
    /// H, the channels of k: D, or for AFT-conv any divisor of D. Channel c of v belongs to head c / (D / H).
    pub heads: usize,
    /// Whether the sums end at t' = t.
    pub causal: bool,
    /// `[B, T, D]`; none: the gate is 1.
    pub q: Option<&'a [f64]>,
    /// `[B, T, H]`.
    pub k: &'a [f64],
    /// `[B, T, D]`.
    pub v: &'a [f64],
    /// `[B, T]`: whether the key at t' counts. k and v of masked keys are not read.
    pub mask: Option<&'a [bool]>,
}

impl<'a> Inputs<'a> {
    /// Inputs with a key channel for every channel of v, and no mask.
    pub fn new(dims: Dims, causal: bool, q: Option<&'a [f64]>, k: &'a [f64], v: &'a [f64]) -> Self {
        Self { dims, heads: dims.d, causal, q, k, v, mask: None }
    }

    /// The shape `[B, T, H]` of k.
    pub fn key_dims(&self) -> Dims {
        Dims { d: self.heads, ..self.dims }
    }

    /// Channels of a head, D / H.
    pub fn head_size(&self) -> usize {
        self.dims.d / self.heads
    }

    fn check(&self) {
        debug_assert_eq!(self.dims.d % self.heads, 0, "H must divide D");
        debug_assert_eq!(self.k.len(), self.key_dims().size());
        debug_assert_eq!(self.v.len(), self.dims.size());
        debug_assert!(self.q.is_none_or(|q| q.len() == self.dims.size()));
        debug_assert!(self.mask.is_none_or(|mask| mask.len() == self.dims.b * self.dims.t));
    }
}

/// Output of a mixing pass; both are `[B, T, D]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// The mixed and gated values; 0 where no key counts.
    pub y: Vec<f64>,
    /// L, the log-sum-exp of the exponents k + w (log of the denominator), in nats; -infinity where no key counts.
    pub log_den: Vec<f64>,
}

/// Gradients of a mixing pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Of q `[B, T, D]`; zero without q.
    pub dq: Vec<f64>,
    /// Of the keys `[B, T, H]`; zero where masked.
    pub dk: Vec<f64>,
    /// Of the values `[B, T, D]`; zero where masked.
    pub dv: Vec<f64>,
    /// Of w, summed over the batch and the channels that share an entry; zero in unused entries.
    pub dw: Vec<f64>,
}
