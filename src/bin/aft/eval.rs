//! `aft eval`: bits per byte of a trained model.

use std::sync::Arc;
use std::time::Instant;

use aft_wgpu::data::{Bigram, Windows};
use aft_wgpu::gpu::Gpu;
use aft_wgpu::ops::Builder;
use aft_wgpu::train::Evaluator;
use clap::ValueEnum;
use indicatif::HumanCount;
use serde::Serialize;

use crate::exit::LossNotFinite;
use crate::model::ModelArgs;
use crate::shared::{AdapterArgs, TextArgs, corpus, say, say_json};

/// Rows of a batch, about: enough to fill a GPU, few enough for any.
const ROWS: u32 = 2048;

/// Measure a trained model in bits per byte, beside the bigram model of the same training text
///
/// Without --text a run is measured on the text that it was trained on, and a bare file on the embedded plays.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aft eval runs/text-001
  aft eval runs/text-001 --split test --json
  aft eval model.safetensors --text other.txt --split train")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Which part of the text
    #[arg(long, default_value = "valid")]
    split: Split,
    #[command(flatten)]
    adapter: AdapterArgs,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    Train,
    Valid,
    Test,
}

/// The result as data.
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
    let model = args.model.open()?;
    let length = model.config.length;
    let files = if args.text.files.is_empty() { args.model.texts()? } else { args.text.files.clone() };
    let corpus = corpus(&files, length)?;
    let text = match args.split {
        Split::Train => &corpus.train,
        Split::Valid => &corpus.valid,
        Split::Test => &corpus.test,
    };
    let windows = Windows::new(Arc::clone(text), length as usize, &corpus.name)?;
    let gpu = Gpu::request_blocking(&args.adapter.options())?;
    let bits_per_byte = pollster::block_on(async {
        let batch = (ROWS / length).max(1);
        let language = model.load(&gpu, batch.saturating_mul(length)).await?;
        let evaluator = gpu
            .checked("preparing the evaluation", || {
                Evaluator::new(&mut Builder::new(&gpu, language.placement), &language, batch)
            })
            .await?;
        evaluator.bits_per_byte(&windows, None).await
    })?;
    if !bits_per_byte.is_finite() {
        return Err(LossNotFinite::InFile { model: model.name() }.into());
    }
    let report = Report {
        bits_per_byte,
        bigram_bits_per_byte: Bigram::fit(corpus.train.as_ref())?.bits_per_byte(text.as_ref())?,
        split: args.split,
        bytes: text.len(),
        text: corpus.name,
        model: model.name(),
        adapter: gpu.caps().adapter.to_string(),
        seconds: start.elapsed().as_secs_f64(),
    };
    if args.json { say_json(&report) } else { report.print() }
}

impl Report {
    fn print(&self) -> anyhow::Result<()> {
        let Self { bits_per_byte, bigram_bits_per_byte, split, text, seconds, adapter, .. } = self;
        let (split, bytes) = (format!("{split:?}").to_lowercase(), HumanCount(self.bytes));
        say(format_args!("{bits_per_byte:.4} bits per byte (bigram model: {bigram_bits_per_byte:.4})"))?;
        say(format_args!("{split} part of {text}, {bytes} bytes, in {seconds:.1} s on {adapter}"))
    }
}
