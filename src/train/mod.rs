//! Training: the loop, what it is configured by, and evaluation.

mod checkpoint;
mod config;
mod evaluate;
mod trainer;

pub use checkpoint::Checkpoint;
pub use config::TrainConfig;
pub use evaluate::Evaluator;
pub use trainer::Trainer;

/// Nats per byte in bits per byte.
pub fn bits(nats: f64) -> f64 {
    nats / std::f64::consts::LN_2
}

// Texts and kernels know nothing of each other, and mean the same by it.
const _: () = assert!(crate::data::IGNORED == crate::ops::nn::batch::IGNORED);
