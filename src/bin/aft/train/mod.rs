//! `aft train`: one file for each task, and what the tasks share.

mod args;
mod begin;
pub mod checkpoints;
mod curve;
mod devices;
mod inject;
mod job;
mod lock;
mod metrics;
mod misfit;
mod pace;
mod paths;
pub mod progress;
mod resume;
mod run;
pub mod run_config;
pub mod run_folder;
mod sample;
mod save_every;
mod schedule;
mod session;
mod settings;
mod summary;
pub mod text;
mod valid;

/// Train a model on this machine's adapter
#[derive(clap::Subcommand)]
pub enum Task {
    Text(args::Args),
}
