//! `aft bench compare`: shows results of several machines side by side.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use aft_wgpu::bench::{Results, read, report};
use aft_wgpu::{Error, Result};

use crate::output::{Output, check_distinct};
use crate::shared::{io_error, read_file};

/// Limit for pipes and devices, which may never end. Results of a full run take less than 1 MB.
const MOST_BYTES: u64 = 64 << 20;

/// Set results of several machines side by side
///
/// Shows limits, times over T with their slopes, variants against attention, memory, and what was not run. Machines appear in the
/// order of the files; a file of one machine is fine, too.
#[derive(clap::Args)]
#[command(after_help = "\
Without --markdown and --html it prints Markdown. A file that is cut short, of another version or not of `aft bench` ends with 4.

Examples:
  aft bench compare mine.json theirs.json
  aft bench compare results/*.json --html compare.html
  aft bench compare mine.json <(ssh other cat theirs.json)")]
pub struct Args {
    /// Files that `aft bench --format json` wrote
    #[arg(required = true, value_name = "RESULTS.json")]
    files: Vec<PathBuf>,
    /// Markdown tables on stdout
    #[arg(long)]
    markdown: bool,
    /// HTML page with charts, which needs no other file; it is replaced if it exists, - is stdout
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let page = args.html.as_deref().map(Output::page).transpose()?;
    let tables = if args.markdown || page.is_none() { Some(Output::new(Path::new("-"))?) } else { None };
    let outputs = [("--markdown", &tables), ("--html", &page)];
    let outputs = outputs.iter().filter_map(|(option, output)| Some((*option, output.as_ref()?)));
    check_distinct(&args.files, &outputs.collect::<Vec<_>>())?;
    let all = args.files.iter().map(|path| results(path)).collect::<Result<Vec<_>>>()?;
    if let Some(tables) = tables {
        tables.write(format!("{}\n", report::markdown(&all).trim_end()).as_bytes())?;
    }
    page.map_or(Ok(()), |page| Ok(page.write(report::html(&all).as_bytes())?))
}

/// Reads results from a file, or from a pipe such as `<(cat results.json)`.
fn results(path: &Path) -> Result<Results> {
    let name = path.display().to_string();
    let metadata = fs::metadata(path).map_err(io_error(&name))?;
    if metadata.is_file() || metadata.is_dir() {
        return read(&name, &read_file(path)?);
    }
    let mut json = Vec::new();
    let size =
        File::open(path).and_then(|pipe| pipe.take(MOST_BYTES).read_to_end(&mut json)).map_err(io_error(&name))?;
    if size as u64 == MOST_BYTES {
        let message = format!("no results: more than {} MiB", MOST_BYTES >> 20);
        return Err(Error::Format { path: name, message });
    }
    read(&name, &json)
}
