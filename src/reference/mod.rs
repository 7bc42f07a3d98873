//! The truth: every operation in f64, as loops that follow the paper.
