//! Options for the model and its training.

use aft_wgpu::form::Form;
use aft_wgpu::models::language::LanguageConfig;
use aft_wgpu::nn::Mixer;
use aft_wgpu::train::TrainConfig;
use aft_wgpu::{Error, Result};

use crate::command_line::{real, whole};

/// The model's configuration. Defaults depend on the class of the adapter.
#[derive(clap::Args)]
#[command(next_help_heading = "Model (defaults by the class of the adapter)")]
pub struct ModelArgs {
    /// Which AFT, or softmax attention to compare with
    #[arg(long)]
    pub variant: Option<Mixer>,
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

/// Training settings. Defaults depend on the class of the adapter.
#[derive(clap::Args)]
#[command(next_help_heading = "Training (defaults by the class of the adapter)")]
pub struct TrainArgs {
    /// Windows in a batch, B
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    batch: Option<u32>,
    /// Batches whose gradients are added up in a step
    #[arg(long, value_name = "N", value_parser = whole(1..=1024_u32))]
    accumulate: Option<u32>,
    /// Training steps; with --resume, the number to go on to
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX))]
    pub steps: Option<u32>,
    /// Time in seconds for the whole command: as many steps as fit, and no more than --steps
    #[arg(long, value_name = "SECONDS", value_parser = real("above 0", |time: f64| time > 0.0))]
    pub time: Option<f64>,
    /// Steps in which the learning rate rises, at most a tenth of all [default: 100]
    #[arg(long, value_name = "N", value_parser = whole(0..=u32::MAX))]
    warmup: Option<u32>,
    /// Step before which the learning rate does not fall [default: the end of the warm-up]
    #[arg(long, value_name = "N", value_parser = whole(0..=u32::MAX - 1), conflicts_with = "time")]
    hold: Option<u32>,
    /// Highest learning rate, after the warm-up
    #[arg(long, value_name = "RATE", value_parser = real("above 0", |rate: f32| rate > 0.0))]
    lr: Option<f32>,
    /// Weight decay of AdamW
    #[arg(long, value_name = "RATE", value_parser = real("from 0 on", |rate: f32| rate >= 0.0))]
    weight_decay: Option<f32>,
    /// Seed of everything that is random
    // The largest integer in TOML is i64::MAX.
    #[arg(long, value_name = "N", value_parser = whole(0..=i64::MAX as u64))]
    seed: Option<u64>,
}

impl ModelArgs {
    /// Replaces fields of `config` by the given options.
    pub fn over(&self, mut config: LanguageConfig) -> Result<LanguageConfig> {
        let before = config.variant;
        config.variant = self.variant.unwrap_or(before);
        // Fields that a variant does not use are 0.
        let unused = match config.variant {
            Mixer::Aft(Form::Simple) | Mixer::Attention => [true, true],
            Mixer::Aft(Form::Full) => [true, false],
            Mixer::Aft(Form::Local) => [false, false],
            Mixer::Aft(Form::Conv1d | Form::Conv2d) => [false, true],
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
                // Heads of four channels: many heads make AFT-conv better (paper, Table 7).
                Mixer::Aft(Form::Conv1d) => (config.dim / 4).max(1),
                // Heads of about 16 channels, in whole vec4s: small models learn less with fewer, larger heads.
                Mixer::Attention => {
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
    /// Replaces fields of `config` by the given options.
    pub fn over(&self, mut config: TrainConfig) -> Result<TrainConfig> {
        let replace = |field: &mut u32, given: Option<u32>| *field = given.unwrap_or(*field);
        replace(&mut config.steps, self.steps);
        replace(&mut config.batch, self.batch);
        replace(&mut config.accumulate, self.accumulate);
        replace(&mut config.warmup, self.warmup);
        replace(&mut config.hold, self.hold);
        config.seed = self.seed.unwrap_or(config.seed);
        config.lr = self.lr.unwrap_or(config.lr);
        config.weight_decay = self.weight_decay.unwrap_or(config.weight_decay);
        config.validate()?;
        Ok(config)
    }
}
