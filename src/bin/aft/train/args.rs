//! The options of `aft train text`.

use std::path::{Path, PathBuf};

use aft_wgpu::Result;
use clap::ValueEnum;

use super::run_folder::RunFolder;
use super::save_every::SaveEvery;
use super::settings::{ModelArgs, TrainArgs};
use super::valid::ValidBytes;
use crate::command_line::whole;
use crate::shared::{AdapterArgs, TextArgs};

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
  aft train text --resume runs/text-001 --steps 4000
  aft train text --init runs/text-001 --text other.txt --lr 1e-3

The same adapter, text, settings and seed give the same model, bit for bit.

The learning rate rises over the warm-up and then falls by half a cosine, to 0
at the last step. With --time the number of steps is fixed when about a quarter
of the time is over, by how long steps take; until then the rate is held.
config.toml has what that led to: --steps, --warmup and --hold with its numbers
repeat the run.

--resume RUN --steps N makes a run longer, a finished one too: from the step
that it has reached, the learning rate is that of a run of N steps at that step,
so it rises at first and then falls again. --init takes nothing but the weights:
the new run begins at step 0, with a warm-up.

The model is evaluated on windows that are spread evenly over the validation
part of the text, always the same; aft eval reads all of it.")]
pub struct Args {
    #[command(flatten)]
    pub text: TextArgs,
    /// What is held out of the text [default: parts]
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<TrainSplit>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    /// Folder of the run [default: the next runs/text-NNN]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with a run from its last checkpoint, bit for bit, or begin a new folder from the file of one; settings are its
    #[arg(long, value_name = "RUN|FILE")]
    pub resume: Option<PathBuf>,
    /// Begin a new run with the weights of a run or a model's file, on its text or any other
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume")]
    pub init: Option<PathBuf>,
    /// With --init: take a model whose tensors were changed and saved by another program, such as Python's safetensors
    #[arg(long, requires = "init", conflicts_with = "resume")]
    pub accept_edited: bool,
    /// Steps between checkpoints, or time: 30s, 5m, 1h [default: 5m]
    #[arg(long, value_name = "N|TIME")]
    pub save_every: Option<SaveEvery>,
    /// Bytes to generate at the end, at temperature 0.7; 0 for none [default: 2000]
    #[arg(long, value_name = "N", value_parser = whole(0..=u32::MAX))]
    pub sample_bytes: Option<u32>,
    /// Bytes of the validation part to evaluate on, or all [default: 131072]
    #[arg(long, value_name = "N|all")]
    pub valid_bytes: Option<ValidBytes>,
    /// Time by kernel of one more step, at the end
    #[arg(long)]
    pub profile: bool,
    /// Results as one JSON object on the last line of stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub train: TrainArgs,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum TrainSplit {
    /// 5 % for validation, 5 % for the test
    Parts,
    /// Nothing: the whole text is trained on, and validation is on text that was seen
    All,
}

impl Args {
    /// Whether nothing is held out.
    pub fn whole(&self) -> bool {
        self.split == Some(TrainSplit::All)
    }

    /// Claims the folder of a new run.
    pub fn claim(&self) -> Result<RunFolder> {
        match &self.out {
            Some(path) => RunFolder::at(path),
            None => RunFolder::next(Path::new("runs"), "text"),
        }
    }
}
