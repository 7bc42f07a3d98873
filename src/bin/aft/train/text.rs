//! `aft train text`: a byte-level language model.

use std::path::{Path, PathBuf};
use std::time::Instant;

use aft_wgpu::gpu::{AdapterClass, Gpu};
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::nn::Variant;
use aft_wgpu::train::{TrainConfig, Trainer};
use aft_wgpu::{Error, Result};
use clap::ValueEnum;

use super::inject::Faults;
use super::interrupt::Interrupt;
use super::job::Job;
use super::resume::{self, misfit, same};
use super::run_config::{DataConfig, RunConfig, SAMPLE_BYTES, parts};
use super::run_folder::RunFolder;
use super::save_every::SaveEvery;
use super::session::Session;
use crate::command_line::{real, whole};
use crate::shared::{AdapterArgs, Split, TextArgs};

/// Train a byte-level language model on text
///
/// Without options: a model of the size that this machine's adapter trains in about a minute, on ten plays of
/// Shakespeare that are part of the program. The run folder gets config.toml, metrics.jsonl, checkpoints, loss.svg, sample.txt
/// and model.safetensors, which `aft eval` and `aft generate` read.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aft train text
  aft train text --text book.txt --time 600
  aft train text --text part1.txt part2.txt --layers 4 --dim 256 --steps 5000 --out runs/books
  aft train text --variant simple --steps 200 --json
  aft train text --resume runs/text-001

The same adapter, text, settings and seed give the same model, bit for bit.
With --time, and without --steps, the number of steps is fixed by how long a
few of them take, and written to config.toml: --steps with that number repeats
the run.")]
pub struct Args {
    #[command(flatten)]
    pub text: TextArgs,
    /// What is held out of the text [default: parts]
    #[arg(long, value_name = "SPLIT")]
    split: Option<TrainSplit>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    /// Folder of the run [default: the next runs/text-NNN]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with a run from its last checkpoint, bit for bit, or begin a new folder from the file of one; settings are its
    #[arg(long, value_name = "RUN|FILE")]
    resume: Option<PathBuf>,
    /// Steps between checkpoints, or time: 30s, 5m, 1h [default: 5m]
    #[arg(long, value_name = "N|TIME")]
    pub save_every: Option<SaveEvery>,
    /// Bytes to generate at the end, at temperature 0.7; 0 for none [default: 2000]
    #[arg(long, value_name = "N", value_parser = whole(0..=u32::MAX))]
    pub sample_bytes: Option<u32>,
    /// Time by kernel of one more step, at the end
    #[arg(long)]
    profile: bool,
    /// Results as one JSON object on the last line of stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    train: TrainArgs,
}

/// What the model is made of; defaults by the class of the adapter.
#[derive(clap::Args)]
#[command(next_help_heading = "Model (defaults by the class of the adapter)")]
struct ModelArgs {
    /// Which AFT, or softmax attention to compare with
    #[arg(long)]
    variant: Option<VariantArg>,
    /// Blocks, L
    #[arg(long, value_name = "N", value_parser = whole(LanguageConfig::LAYERS))]
    layers: Option<u32>,
    /// Channels, D: a multiple of 4
    #[arg(long, value_name = "N", value_parser = whole(LanguageConfig::DIM))]
    dim: Option<u32>,
    /// Heads, H, which divide D (conv: D/4 by default; attention: D/16); 1 for the others
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    heads: Option<u32>,
    /// Window of the position biases, s (local), or size of the kernel (conv)
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    window: Option<u32>,
    /// Rank of the position biases, R (full, local)
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    rank: Option<u32>,
    /// Positions, T: the bytes that the model sees at once
    #[arg(long, value_name = "N", value_parser = whole(LanguageConfig::LENGTH))]
    length: Option<u32>,
    /// Probability that an element is dropped in training
    #[arg(long, value_name = "P", value_parser = real("from 0 to below 1", |p: f32| (0.0..1.0).contains(&p)))]
    dropout: Option<f32>,
}

/// How it is trained; defaults by the class of the adapter.
#[derive(clap::Args)]
#[command(next_help_heading = "Training (defaults by the class of the adapter)")]
struct TrainArgs {
    /// Windows in a batch, B
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    batch: Option<u32>,
    /// Batches whose gradients are added up in a step
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_u32))]
    accumulate: Option<u32>,
    /// Training steps
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    steps: Option<u32>,
    /// Time in seconds for the whole command: as many steps as fit, and no more than --steps
    #[arg(long, value_name = "SECONDS", value_parser = real("above 0", |time: f64| time > 0.0))]
    time: Option<f64>,
    /// Highest learning rate, after the warm-up
    #[arg(long, value_name = "RATE", value_parser = real("above 0", |rate: f32| rate > 0.0))]
    lr: Option<f32>,
    /// Weight decay of AdamW
    #[arg(long, value_name = "RATE", value_parser = real("from 0 on", |rate: f32| rate >= 0.0))]
    weight_decay: Option<f32>,
    /// Seed of everything that is random
    // The largest whole number that a TOML file holds.
    #[arg(long, value_name = "N", value_parser = whole(0..=i64::MAX as u64))]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum TrainSplit {
    /// 5 % for validation, 5 % for the test
    Parts,
    /// Nothing: the whole text is trained on, and validation is on text that was seen
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum VariantArg {
    Simple,
    Full,
    Local,
    Conv,
    Attention,
}

impl From<VariantArg> for Variant {
    fn from(variant: VariantArg) -> Self {
        match variant {
            VariantArg::Simple => Self::Simple,
            VariantArg::Full => Self::Full,
            VariantArg::Local => Self::Local,
            VariantArg::Conv => Self::Conv,
            VariantArg::Attention => Self::Attention,
        }
    }
}

pub fn run(args: &Args, start: Instant) -> anyhow::Result<()> {
    let interrupt = Interrupt::install("finishing the step and saving; once more to quit at once")?;
    let faults = Faults::from_env()?;
    let job = match &args.resume {
        Some(path) => resume::resume(args, path)?,
        None => Some(begin(args)?),
    };
    let Some(job) = job else { return Ok(()) };
    let summary = pollster::block_on(async {
        let mut session = Session::new(job, interrupt, faults, start)?;
        session.complete(args.profile).await
    })?;
    if args.json { summary.print_json() } else { summary.print() }
}

/// A new run: all that can be checked is checked, then its folder is claimed and config.toml written.
fn begin(args: &Args) -> anyhow::Result<Job> {
    if let Some(out) = &args.out {
        RunFolder::refuse_taken(out)?;
    }
    // The adapter decides on the defaults, but what is wrong with arguments or text is said first.
    let options = args.adapter.options();
    let gpu = Gpu::request_blocking(&options);
    let class = gpu.as_ref().map_or(AdapterClass::Unknown, |gpu| gpu.caps().adapter.class);
    let model = args.model.over(LanguageConfig::for_adapter(class))?;
    let mut train = args.train.over(TrainConfig::for_adapter(class))?;
    if args.train.time.is_some() && args.train.steps.is_none() {
        train.steps = u32::MAX;
    }
    let corpus = parts(&args.text.files, args.whole())?;
    for split in if args.whole() { &[Split::All][..] } else { &[Split::Valid, Split::Train] } {
        split.expect_window(&corpus, model.length, "")?;
    }
    let gpu = gpu?;
    Trainer::check(&gpu, &model, &train, &corpus.train)?;
    let config = RunConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: gpu.caps().adapter.to_string(),
        time_seconds: args.train.time,
        measuring: args.train.time.is_some(),
        save_every: args.save_every.unwrap_or_default(),
        sample_bytes: args.sample_bytes.unwrap_or(SAMPLE_BYTES),
        data: DataConfig::new(&corpus, &args.text.files, args.whole())?,
        model,
        train,
    };
    let folder = claim(args)?;
    config.write(&folder)?;
    Ok(Job { gpu, options, corpus, config, folder, resumed: false })
}

/// The folder of a new run.
pub fn claim(args: &Args) -> Result<RunFolder> {
    match &args.out {
        Some(path) => RunFolder::at(path),
        None => RunFolder::next(Path::new("runs"), "text"),
    }
}

impl Args {
    /// Whether nothing is to be held out.
    pub fn whole(&self) -> bool {
        self.split == Some(TrainSplit::All)
    }

    /// Fails if a setting was asked for that is not the run's.
    pub fn fit(&self, run: &RunConfig) -> Result<()> {
        if self.split.is_some() && self.whole() != run.data.whole {
            let has = if run.data.whole { "all" } else { "parts" };
            return Err(misfit("--split", &format!("the run has --split {has}")));
        }
        // Before all that follows from it.
        if let Some(variant) = self.model.variant.map(Variant::from).filter(|&variant| variant != run.model.variant) {
            return Err(misfit(&format!("--variant {variant}"), &format!("the run has {}", run.model.variant)));
        }
        same(&run.model, &self.model.over(run.model.clone())?)?;
        same(&run.train, &self.train.over(run.train.clone())?)?;
        match self.train.time {
            Some(_) if self.train.time != run.time_seconds => Err(misfit("--time", "its number of steps is fixed")),
            _ => Ok(()),
        }
    }
}

impl ModelArgs {
    /// `config` with what was asked for in its place.
    fn over(&self, mut config: LanguageConfig) -> Result<LanguageConfig> {
        let before = config.variant;
        config.variant = self.variant.map_or(before, Variant::from);
        // What a variant has no use for is 0 in its configuration.
        let unused = match config.variant {
            Variant::Simple | Variant::Attention => [true, true],
            Variant::Full => [true, false],
            Variant::Local => [false, false],
            Variant::Conv => [false, true],
        };
        let options = [("--window", self.window, &mut config.window), ("--rank", self.rank, &mut config.rank)];
        for ((name, given, field), _) in options.into_iter().zip(unused).filter(|(_, unused)| *unused) {
            if given.is_some() {
                return Err(Error::Config(format!("{name} is of no use to {}", config.variant.title())));
            }
            *field = 0;
        }
        let replace = |field: &mut u32, given: Option<u32>| *field = given.unwrap_or(*field);
        replace(&mut config.layers, self.layers);
        replace(&mut config.dim, self.dim);
        if config.variant != before {
            config.heads = match config.variant {
                // A head of four channels: many heads are what makes AFT-conv good (paper, Table 7).
                Variant::Conv => (config.dim / 4).max(1),
                // Heads of about 16 channels, whole vec4s: small models learn less with fewer, larger ones.
                Variant::Attention => {
                    let fits = |heads: &u32| config.dim.is_multiple_of(4 * heads);
                    (1..=config.dim / 16).rev().find(fits).unwrap_or(1)
                }
                _ => config.heads,
            };
        }
        replace(&mut config.heads, self.heads);
        replace(&mut config.window, self.window);
        replace(&mut config.rank, self.rank);
        replace(&mut config.length, self.length);
        config.dropout = self.dropout.unwrap_or(config.dropout);
        config.validate()?;
        Ok(config)
    }
}

impl TrainArgs {
    /// `config` with what was asked for in its place.
    fn over(&self, mut config: TrainConfig) -> Result<TrainConfig> {
        let replace = |field: &mut u32, given: Option<u32>| *field = given.unwrap_or(*field);
        replace(&mut config.steps, self.steps);
        replace(&mut config.batch, self.batch);
        replace(&mut config.accumulate, self.accumulate);
        config.seed = self.seed.unwrap_or(config.seed);
        config.lr = self.lr.unwrap_or(config.lr);
        config.weight_decay = self.weight_decay.unwrap_or(config.weight_decay);
        config.validate()?;
        Ok(config)
    }
}
