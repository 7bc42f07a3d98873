//! `aft train`: one file a task, and what the tasks share.

mod curve;
mod metrics;
mod pace;
mod progress;
pub mod run_config;
pub mod run_folder;
mod session;
mod summary;
pub mod text;

/// Train a model on this machine's adapter
#[derive(clap::Subcommand)]
pub enum Task {
    Text(text::Args),
}
