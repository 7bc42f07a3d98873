//! The shapes of operations that mix over time.

use crate::bench::options::Effort;
use crate::gpu::AdapterClass;

/// Sequences B and shapes [T, D] of operations that mix over time: T varies at D = 256, and D varies at T = 1,024.
pub(super) fn shapes(class: AdapterClass, effort: Effort) -> (usize, &'static [[usize; 2]]) {
    // One sequence is too little work for a GPU.
    let sequences = if class == AdapterClass::Software { 1 } else { 8 };
    let shapes: &[[usize; 2]] = match effort {
        Effort::Quick => &[[256, 256], [512, 256]],
        Effort::Full => &[[256, 256], [512, 256], [1024, 256], [2048, 256], [4096, 256], [1024, 512], [1024, 768]],
    };
    (sequences, shapes)
}
