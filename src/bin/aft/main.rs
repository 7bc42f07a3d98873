//! The program `aft`: adapters, checks, single layers, benchmarks, training, evaluation and generation from the command line.
//!
//! Results go to stdout, progress and logs to stderr. All computation is in the library.

mod adapters;
mod apply;
mod bench;
mod check;
mod command_line;
mod display;
mod eval;
mod exit;
mod files;
mod generate;
mod interrupt;
mod model;
mod output;
mod shared;
mod signals;
mod text_stream;
mod train;

use std::process::ExitCode;
use std::time::Instant;

use aft_wgpu::gpu::variable;
use clap::{Parser, Subcommand};

/// Default log filter if RUST_LOG is not set: errors only, without those of the Vulkan loader, which our own error repeats.
const LOG: &str = "error,wgpu_hal::vulkan::instance=off";

/// Attention Free Transformers on any GPU
#[derive(Parser)]
#[command(name = "aft", bin_name = "aft", version, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Adapters(adapters::Args),
    Check(check::Args),
    Apply(apply::Args),
    Bench(bench::Args),
    #[command(subcommand)]
    Train(train::Task),
    Eval(eval::Args),
    Generate(generate::Args),
}

fn main() -> ExitCode {
    let start = Instant::now();
    display::quiet();
    env_logger::Builder::new()
        .parse_filters(variable("RUST_LOG").as_deref().unwrap_or(LOG))
        .parse_write_style(&variable("RUST_LOG_STYLE").unwrap_or_default())
        .init();
    let result = match command_line::parse::<Cli>().command {
        Command::Adapters(args) => adapters::run(&args),
        Command::Check(args) => check::run(&args, start),
        Command::Apply(args) => apply::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Train(train::Task::Text(args)) => train::text::run(&args, start),
        Command::Eval(args) => eval::run(&args, start),
        Command::Generate(args) => generate::run(&args),
    };
    exit::code(result)
}
