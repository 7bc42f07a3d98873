//! The browser home of `aft-wgpu`: the demo model in a tab, trained by the same Rust code and shaders as natively.
//!
//! JavaScript sees two functions, [`adapter`] and [`benchmark`] (there `bench`), and a class, [`Run`]. Every method that works is
//! asynchronous; what fails rejects its promise with an `Error` whose message is for people and whose `kind` is for programs
//! ([`Failure`]). No file system is assumed: a checkpoint is bytes, results are text.

mod bench;
mod console;
mod device;
mod failure;
mod options;
mod run;

pub use bench::benchmark;
pub use device::adapter;
pub use failure::Failure;
pub use options::Options;
pub use run::Run;
