//! Files that are no checkpoint, or a broken one: always an error of the file, never a panic, and never more memory than a small
//! multiple of the file. Needs no device. `AFT_TEST_ALL` makes a hundred times the random changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod broken;
mod file;
mod memory;
mod reading;
mod wrong;
