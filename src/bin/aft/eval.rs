//! `aft eval`: measures the bits per byte of a trained model.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use aft_wgpu::data::{Bigram, Windows};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::ops::Builder;
use aft_wgpu::printable::Printable;
use aft_wgpu::train::Evaluator;
use aft_wgpu::{Error, Result};
use indicatif::HumanCount;
use serde::Serialize;

use crate::exit::LossNotFinite;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::shared::{AdapterArgs, Split, TextArgs, corpus, note, say, say_json};
use crate::train::progress::Progress;
use crate::train::run_config::{DataConfig, parts};

/// Approximate rows in a batch: enough to fill a GPU, few enough to fit on any.
const ROWS: u32 = 2048;

/// Measure a trained model in bits per byte, beside the bigram model of the same training text
///
/// Without --text a run is measured on the text that it was trained on, and a bare file on the embedded plays.
#[derive(clap::Args)]
#[command(
    override_usage = "aft eval [OPTIONS] <RUN|FILE>",
    after_help = "\
Examples:
  aft eval runs/text-001
  aft eval runs/text-001 --split test --json
  aft eval model.safetensors --text other.txt --split all"
)]
pub struct Args {
    /// Run folder of `aft train text`, or a model or checkpoint of one
    #[arg(value_name = "RUN|FILE", required_unless_present = "files")]
    model: Option<PathBuf>,
    #[command(flatten)]
    accepted: ModelArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Which part of the text [default: valid, or all for a run that was trained with --split all]
    #[arg(long)]
    split: Option<Split>,
    #[command(flatten)]
    adapter: AdapterArgs,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// The result, for `--json`.
#[derive(Debug, Serialize)]
struct Report {
    bits_per_byte: f64,
    bigram_bits_per_byte: f64,
    split: Split,
    bytes: u64,
    text: String,
    model: String,
    adapter: String,
    seconds: f64,
}

pub fn run(args: &Args, start: Instant) -> anyhow::Result<()> {
    // A signal ends the program at once, because nothing needs saving.
    Interrupt::install("")?;
    let (path, files) = args.model_and_files()?;
    let model = args.accepted.open(path)?;
    let length = model.config.length;
    let data = DataConfig::of(path)?;
    let whole = data.as_ref().is_some_and(|data| data.whole);
    let corpus = match data {
        Some(data) if files.is_empty() => parts(data.files()?, data.whole)?,
        _ => corpus(files)?,
    };
    let split = args.split.unwrap_or(if whole { Split::All } else { Split::Valid });
    split.expect_window(&corpus, length, "or a model of ")?;
    let text = split.of(&corpus);
    let windows = Windows::new(Arc::clone(text), length as usize, &corpus.name)?;
    let gpu = Gpu::request_blocking(&args.adapter.options())?;
    let bits_per_byte = pollster::block_on(async {
        let batch = (ROWS / length).max(1);
        let language = model.load(&gpu, batch.saturating_mul(length)).await?;
        let mut evaluator = gpu
            .checked("preparing the evaluation", || {
                Evaluator::new(&mut Builder::new(&gpu, language.placement), &language, batch)
            })
            .await?;
        note(format_args!("evaluating {} bytes", HumanCount(text.len())));
        let (mut progress, begun) = (Progress::new(), Instant::now());
        let each = |done| {
            progress.window(done, windows.count(), begun);
            ControlFlow::Continue(())
        };
        evaluator.bits_per_byte_while(&windows, None, each).await
    })?;
    let bits_per_byte = bits_per_byte.unwrap_or(f64::NAN);
    if !bits_per_byte.is_finite() {
        return Err(LossNotFinite::InFile { model: model.name() }.into());
    }
    let report = Report {
        bits_per_byte,
        bigram_bits_per_byte: Bigram::fit(corpus.train.as_ref())?.bits_per_byte(text.as_ref())?,
        split,
        bytes: text.len(),
        text: corpus.name,
        model: model.name(),
        adapter: gpu.caps().adapter.to_string(),
        seconds: start.elapsed().as_secs_f64(),
    };
    if args.json { say_json(&report) } else { report.print() }
}

impl Args {
    /// Splits the arguments into the model and the text files. If the model comes last, clap counts it as a file.
    fn model_and_files(&self) -> Result<(&Path, &[PathBuf])> {
        match (&self.model, self.text.files.split_last()) {
            (Some(model), _) => Ok((model, &self.text.files)),
            (None, Some((model, files))) if !files.is_empty() => Ok((model, files)),
            _ => Err(Error::Config("no model is given: aft eval RUN --text FILE, in any order".into())),
        }
    }
}

impl Report {
    fn print(&self) -> anyhow::Result<()> {
        let Self { bits_per_byte, bigram_bits_per_byte, split, text, seconds, adapter, .. } = self;
        let (split, text, bytes) = (split.name(), Printable(text), HumanCount(self.bytes));
        say(format_args!("{bits_per_byte:.4} bits per byte (bigram model: {bigram_bits_per_byte:.4})"))?;
        say(format_args!("{split} of {text}, {bytes} bytes, in {seconds:.1} s on {adapter}"))
    }
}
