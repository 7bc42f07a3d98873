//! Runs the benchmark on one adapter or on all of them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aft_wgpu::bench::{self, BenchOptions, Effort, Filter, Results};
use aft_wgpu::gpu::{Gpu, GpuOptions, adapters};
use aft_wgpu::{Error, Result};

use super::outputs::{Format, Outputs};
use super::progress::Bar;
use super::{explain, inject};
use crate::command_line::whole;
use crate::interrupt::Interrupt;
use crate::shared::{AdapterArgs, note};

pub const EXAMPLES: &str = "\
Ends with 0 if every result was right, with 1 if any was not, and with 130 after Ctrl-C. What is done by then is written, marked as
incomplete: with --output r.json to r.partial.json, so that a complete r.json stays as it is.

Examples:
  aft bench
  aft bench --full --format json -o results/my-gpu.json
  aft bench --adapter all --op aft --form local
  aft bench --op aft --form local --length 512 --explain
  aft bench --op train --explain";

/// Which cases to measure, and how to report them.
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
    #[arg(long, value_name = "T", value_parser = whole(0..=u32::MAX))]
    length: Option<u32>,
    /// T = 256 and 512, within a minute or so on two cores, and three at most; the default
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// T to 4,096 and D to 768, all layers of the model, within half an hour
    #[arg(long)]
    full: bool,
    /// Format of the results
    #[arg(long, value_enum, default_value_t = Format::Md)]
    format: Format,
    /// File for the results, replaced if it exists; - is stdout. With --adapter all the adapter's number is put before its ending
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// HTML page with charts besides, replaced if it exists
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Instead of results, print the time by kernel of the cases that --op, --form and --length select
    #[arg(long, requires = "op", conflicts_with_all = ["format", "output", "html"])]
    explain: bool,
}

/// Error: some kernels computed wrong results.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} results were wrong on {adapter}, and have no time. `aft check` says more")]
pub struct Failed {
    failed: usize,
    all: usize,
    adapter: String,
}

/// Error: the run was stopped.
#[derive(Debug, thiserror::Error)]
#[error("interrupted after {rows} rows")]
pub struct Stopped {
    /// Rows completed.
    pub rows: usize,
}

pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let single = args.outputs(args.all().then_some(0))?;
    if args.all() && args.format == Format::Json && !single.is_file() {
        let text = "--adapter all gives one JSON object an adapter: name a file with --output, or take --format jsonl";
        return Err(Error::Config(text.into()).into());
    }
    let interrupt = Interrupt::install("finishing the measurement; once more to quit at once")?;
    interrupt.hold();
    if !args.all() {
        return args.one(&args.adapter.options(), &single, &interrupt);
    }
    let count = pollster::block_on(adapters()).len().max(1);
    let outputs = (0..count).map(|number| args.outputs(Some(number))).collect::<Result<Vec<_>>>()?;
    // An adapter that fails does not stop the others.
    let mut outcome = Ok(());
    for (number, outputs) in outputs.iter().enumerate() {
        let options = GpuOptions { adapter: Some(number.to_string()), ..Default::default() };
        match args.one(&options, outputs, &interrupt) {
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
    /// Measures one adapter and reports the results.
    fn one(&self, options: &GpuOptions, outputs: &Outputs, interrupt: &Interrupt) -> anyhow::Result<()> {
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
        // Completed rows are reported even after an error.
        if outcome.is_ok() || !results.rows.is_empty() {
            outputs.write(&results, self.format)?;
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

    fn options(&self) -> BenchOptions {
        let Self { op, form, length, .. } = self;
        let filter = Filter { op: op.clone(), form: form.clone(), length: *length };
        let effort = if self.full { Effort::Full } else { Effort::Quick };
        BenchOptions { effort, filter, commit: bench::COMMIT.map(str::to_owned) }
    }

    /// The outputs of an adapter; with several adapters, `number` is part of the file names.
    fn outputs(&self, number: Option<usize>) -> Result<Outputs> {
        Outputs::new(self.output.as_deref().unwrap_or(Path::new("-")), self.html.as_deref(), number)
    }
}

/// Fails if any of the results are wrong.
fn judge(failed: usize, all: usize, adapter: &str) -> anyhow::Result<()> {
    if failed == 0 { Ok(()) } else { Err(Failed { failed, all, adapter: adapter.to_owned() }.into()) }
}
