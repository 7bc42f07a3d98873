//! `aft train`: one file a task, and what the tasks share.

mod checkpoints;
mod curve;
mod inject;
pub mod interrupt;
mod job;
mod metrics;
mod pace;
pub mod progress;
mod resume;
pub mod run_config;
pub mod run_folder;
mod save_every;
mod session;
mod summary;
pub mod text;

/// Train a model on this machine's adapter
#[derive(clap::Subcommand)]
pub enum Task {
    Text(text::Args),
}
