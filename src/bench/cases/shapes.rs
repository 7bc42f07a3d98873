//! The shapes of operations that mix over time.

use crate::bench::options::Effort;
use crate::gpu::AdapterClass;

/// Sequences, B, and the shapes [T, D] of operations that mix over time: over T at D = 256, and at T = 1,024 over D.
pub(super) fn shapes(class: AdapterClass, effort: Effort) -> (usize, &'static [[usize; 2]]) {
    // A GPU is filled by more than one sequence.
    let sequences = if class == AdapterClass::Software { 1 } else { 8 };
    let shapes: &[[usize; 2]] = match effort {
        Effort::Quick => &[[256, 256], [512, 256]],
        Effort::Full => &[[256, 256], [512, 256], [1024, 256], [2048, 256], [4096, 256], [1024, 512], [1024, 768]],
    };
    (sequences, shapes)
}
