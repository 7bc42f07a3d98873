//! `aft bench compare`: results of several machines side by side.

use std::path::PathBuf;

use aft_wgpu::bench::{read, report};

use crate::shared::{read_file, say};
use crate::train::files;

/// Set results of several machines side by side
///
/// Shows limits, times over T with their slopes, variants against attention, memory, and what was not run. Machines appear in the
/// order of the files; a file of one machine is fine, too.
#[derive(clap::Args)]
#[command(after_help = "\
Without --markdown and --html it prints Markdown. A file that is cut short, of another version or not of `aft bench` ends with 4.

Examples:
  aft bench compare mine.json theirs.json
  aft bench compare results/*.json --html compare.html")]
pub struct Args {
    /// Files that `aft bench --format json` wrote
    #[arg(required = true, value_name = "RESULTS.json")]
    files: Vec<PathBuf>,
    /// Markdown tables on stdout
    #[arg(long)]
    markdown: bool,
    /// One HTML page with charts, which needs no other file; one of this name is replaced
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let file = |path: &PathBuf| read(&path.display().to_string(), &read_file(path)?);
    let all = args.files.iter().map(file).collect::<aft_wgpu::Result<Vec<_>>>()?;
    if args.markdown || args.html.is_none() {
        say(report::markdown(&all).trim_end())?;
    }
    match &args.html {
        None => Ok(()),
        Some(path) => Ok(files::write(path, report::html(&all).as_bytes())?),
    }
}
