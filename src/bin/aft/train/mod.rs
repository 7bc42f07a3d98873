//! `aft train`: one file a task, and what the tasks share.

pub mod checkpoints;
mod curve;
mod inject;
pub mod interrupt;
mod job;
mod lock;
mod metrics;
mod pace;
mod paths;
pub mod progress;
mod resume;
mod run;
pub mod run_config;
pub mod run_folder;
mod save_every;
mod schedule;
mod session;
mod signals;
mod summary;
pub mod text;

/// Train a model on this machine's adapter
#[derive(clap::Subcommand)]
pub enum Task {
    Text(text::Args),
}
