//! `aft bench`: measures kernels against the limits of the adapter, and compares adapters.

mod compare;
mod explain;
mod inject;
mod outputs;
mod progress;
mod run;

pub use run::Stopped;

/// Measure every form of AFT, each held against the reference first and against what the adapter reaches in plain kernels
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = run::EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(clap::Subcommand)]
enum Command {
    Compare(compare::Args),
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Some(Command::Compare(args)) => compare::run(args),
        None => run::run(&args.run),
    }
}
