//! The `aft` program.
fn main() {}
