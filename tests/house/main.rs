//! The house as text: its documents, and the rules of its sources.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod arrows;
mod documents;
mod imports;
mod sources;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
