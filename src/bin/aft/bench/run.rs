//! A run on one adapter or all of them, and its results as data.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aft_wgpu::bench::{self, Effort, Filter, Options, Results, report};
use aft_wgpu::gpu::{Gpu, adapters};
use clap::ValueEnum;

use super::progress::Bar;
use super::{explain, inject};
use crate::shared::{AdapterArgs, say};
use crate::train::files;
use crate::train::interrupt::Interrupt;

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
    let interrupt = Interrupt::install("finishing the measurement; once more to quit at once")?;
    interrupt.hold();
    let mut wrong = None;
    for (number, gpu) in args.devices()?.into_iter().enumerate() {
        let gpu = gpu?;
        inject::apply(&gpu)?;
        if args.explain {
            match explain::run(&gpu, &args.options(), &|| interrupt.asked())? {
                ControlFlow::Break(()) => return Err(Stopped { rows: 0 }.into()),
                ControlFlow::Continue([0, _]) => {}
                ControlFlow::Continue([failed, all]) => {
                    wrong = Some(Failed { failed, all, adapter: gpu.caps().adapter.name.clone() });
                }
            }
            continue;
        }
        let mut results = Results::new(&gpu);
        let outcome = args.measure(&gpu, &interrupt, &mut results);
        // What is done is told, whatever ended it, unless there is nothing to tell.
        if outcome.is_ok() || !results.rows.is_empty() {
            args.tell(&results, number)?;
        }
        if outcome?.is_break() {
            return Err(Stopped { rows: results.rows.len() }.into());
        }
        let failed = results.failures().len();
        if failed > 0 {
            wrong = Some(Failed { failed, all: results.rows.len(), adapter: results.adapter.name.clone() });
        }
    }
    wrong.map_or(Ok(()), |failed| Err(failed.into()))
}

impl RunArgs {
    /// The devices asked for, each made when its turn comes.
    fn devices(&self) -> anyhow::Result<Vec<aft_wgpu::Result<Gpu>>> {
        if !self.all() {
            return Ok(vec![Gpu::request_blocking(&self.adapter.options())]);
        }
        let count = pollster::block_on(adapters()).len().max(1);
        let options =
            |index: usize| aft_wgpu::gpu::GpuOptions { adapter: Some(index.to_string()), ..Default::default() };
        Ok((0..count).map(|index| Gpu::request_blocking(&options(index))).collect())
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
        Options { effort, filter, commit: option_env!("AFT_COMMIT").map(str::to_owned) }
    }

    fn tell(&self, results: &Results, number: usize) -> anyhow::Result<()> {
        let path = |path: &Path| if self.all() { numbered(path, number) } else { path.to_owned() };
        if let Some(page) = &self.html {
            files::write(&path(page), report::html(std::slice::from_ref(results)).as_bytes())?;
        }
        let text = match self.format {
            Format::Md => report::markdown(std::slice::from_ref(results)),
            Format::Csv => report::csv(results),
            Format::Json => serde_json::to_string_pretty(results)?,
            Format::Jsonl => report::jsonl(results),
        };
        match &self.output {
            None => say(text.trim_end()),
            Some(output) => Ok(files::write(&path(output), format!("{}\n", text.trim_end()).as_bytes())?),
        }
    }
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
