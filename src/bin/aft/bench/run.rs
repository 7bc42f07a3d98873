//! A run on one adapter or all of them, and its results as data.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aft_wgpu::Error;
use aft_wgpu::bench::{self, Effort, Filter, Options, Results, report};
use aft_wgpu::gpu::{Gpu, GpuOptions, adapters};
use clap::ValueEnum;

use super::progress::Bar;
use super::{explain, inject};
use crate::shared::{AdapterArgs, say};
use crate::train::files;
use crate::train::interrupt::Interrupt;
use crate::train::progress::note;

pub const EXAMPLES: &str = "\
Ends with 0 if every result was right, with 1 if any was not, and with 130 after Ctrl-C, which prints what is done so far.

Examples:
  aft bench
  aft bench --full --format json -o results/my-gpu.json
  aft bench --adapter all --op aft --form local
  aft bench --op aft --form local --length 512 --explain
  aft bench --op train --explain";

/// What is measured, and how it is told.
#[derive(clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    adapter: AdapterArgs,
    /// Only this operation, as aft or linear
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// Only this form, as local or "full factorised"
    #[arg(long, value_name = "NAME")]
    form: Option<String>,
    /// Only cases of this length T
    #[arg(long, value_name = "T")]
    length: Option<u32>,
    /// T = 256 and 512, within a minute or so on two cores, and three at most; the default
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// T to 4,096 and D to 768, all layers of the model, within half an hour
    #[arg(long)]
    full: bool,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Md)]
    format: Format,
    /// Write results to a file instead of stdout; with --adapter all the adapter's number is put before its ending
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// One page with charts besides
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Instead of results: where the time goes, by kernel, of the cases that --op, --form and --length leave
    #[arg(long, requires = "op", conflicts_with_all = ["format", "output", "html"])]
    explain: bool,
}

/// A form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables in Markdown
    Md,
    /// A line a row
    Csv,
    /// One object an adapter
    Json,
    /// An object a line, each tagged with what it is
    Jsonl,
}

/// Kernels that compute something else than they should.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} results were wrong on {adapter}, and have no time. `aft check` says more")]
pub struct Failed {
    failed: usize,
    all: usize,
    adapter: String,
}

/// A run that was told to stop.
#[derive(Debug, thiserror::Error)]
#[error("interrupted after {rows} rows")]
pub struct Stopped {
    /// Rows that are done.
    pub rows: usize,
}

pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    if args.all() && args.format == Format::Json && args.output.is_none() {
        let text = "--adapter all gives one JSON object an adapter: name a file with --output, or take --format jsonl";
        return Err(Error::Config(text.into()).into());
    }
    for file in args.output.iter().chain(&args.html) {
        files::check_writable(file)?;
    }
    let interrupt = Interrupt::install("finishing the measurement; once more to quit at once")?;
    interrupt.hold();
    if !args.all() {
        return args.one(&args.adapter.options(), 0, &interrupt);
    }
    // An adapter that gives no device, or fails, keeps no other from its turn.
    let mut outcome = Ok(());
    for number in 0..pollster::block_on(adapters()).len().max(1) {
        let options = GpuOptions { adapter: Some(number.to_string()), ..Default::default() };
        match args.one(&options, number, &interrupt) {
            Err(error) if error.is::<Stopped>() => return Err(error),
            Err(error) => {
                note(format_args!("adapter {number}: {error:#}"));
                outcome = outcome.and(Err(error));
            }
            Ok(()) => {}
        }
    }
    outcome
}

impl RunArgs {
    /// Measures one adapter, and tells of it.
    fn one(&self, options: &GpuOptions, number: usize, interrupt: &Interrupt) -> anyhow::Result<()> {
        let gpu = Gpu::request_blocking(options)?;
        inject::apply(&gpu)?;
        if self.explain {
            return match explain::run(&gpu, &self.options(), &|| interrupt.asked())? {
                ControlFlow::Break(()) => Err(Stopped { rows: 0 }.into()),
                ControlFlow::Continue([failed, all]) => judge(failed, all, &gpu.caps().adapter.name),
            };
        }
        let mut results = Results::new(&gpu);
        let outcome = self.measure(&gpu, interrupt, &mut results);
        // What is done is told, whatever ended it, unless there is nothing to tell.
        if outcome.is_ok() || !results.rows.is_empty() {
            self.tell(&results, number)?;
        }
        if outcome?.is_break() {
            return Err(Stopped { rows: results.rows.len() }.into());
        }
        judge(results.failures().len(), results.rows.len(), &results.adapter.name)
    }

    fn all(&self) -> bool {
        self.adapter.options().adapter.as_deref() == Some("all")
    }

    fn measure(&self, gpu: &Gpu, interrupt: &Interrupt, results: &mut Results) -> anyhow::Result<ControlFlow<()>> {
        let mut bar = Bar::new();
        let stop = || interrupt.asked();
        Ok(pollster::block_on(bench::run(gpu, &self.options(), results, |progress| bar.show(progress), &stop))?)
    }

    fn options(&self) -> Options {
        let Self { op, form, length, .. } = self;
        let filter = Filter { op: op.clone(), form: form.clone(), length: *length };
        let effort = if self.full { Effort::Full } else { Effort::Quick };
        Options { effort, filter, commit: bench::COMMIT.map(str::to_owned) }
    }

    fn tell(&self, results: &Results, number: usize) -> anyhow::Result<()> {
        let path = |path: &Path| if self.all() { numbered(path, number) } else { path.to_owned() };
        let text = match self.format {
            Format::Md => report::markdown(std::slice::from_ref(results)),
            Format::Csv => report::csv(results),
            Format::Json => serde_json::to_string_pretty(results)?,
            Format::Jsonl => report::jsonl(results),
        };
        match &self.output {
            None => say(text.trim_end())?,
            Some(output) => files::write(&path(output), format!("{}\n", text.trim_end()).as_bytes())?,
        }
        match &self.html {
            None => Ok(()),
            Some(page) => Ok(files::write(&path(page), report::html(std::slice::from_ref(results)).as_bytes())?),
        }
    }
}

/// What a run ends with of which so many results of all were wrong.
fn judge(failed: usize, all: usize, adapter: &str) -> anyhow::Result<()> {
    if failed == 0 { Ok(()) } else { Err(Failed { failed, all, adapter: adapter.to_owned() }.into()) }
}

/// The path with a number before its ending.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
    path.with_file_name(format!("{stem}-{number}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_several_adapters_are_numbered() {
        assert_eq!(numbered(Path::new("a/b.json"), 2), Path::new("a/b-2.json"));
        assert_eq!(numbered(Path::new("b"), 0), Path::new("b-0"));
    }
}
