//! The Attention Free Transformer (Zhai et al. 2021) on any GPU.
//!
//! ```text
//! Y_t = sigmoid(Q_t) * sum_t' exp(K_t' + w_tt') V_t'  /  sum_t' exp(K_t' + w_tt')
//! ```
//!
//! In reading order, from the ground up: [`mod@reference`] is the truth in f64; [`gpu`] is all that touches wgpu; [`ops`] are the
//! operations, which record dispatches and submit nothing; [`nn`] are layers with parameters; [`models`] are made of them;
//! [`train`] and [`generate`] run models; [`data`] has texts.
pub mod apply;
pub mod bench;
pub mod check;
pub mod data;
mod error;
pub mod generate;
pub mod gpu;
pub mod models;
pub mod nn;
pub mod ops;
pub mod random;
pub mod reference;
pub mod train;

pub use error::{Error, Result};
pub use wgpu;

/// README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
