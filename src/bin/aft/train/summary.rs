//! The final report of a training run: one JSON object, or lines for people.

use aft_wgpu::gpu::{Clock, KernelTime};
use aft_wgpu::printable::Printable;
use indicatif::HumanCount;
use serde::Serialize;

use crate::shared::{say, say_json};

/// Bytes of the sample that the text report shows.
const SHOWN_BYTES: usize = 600;

/// The results of a run.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Bits per byte of the model, over `valid_bytes` of the validation text.
    pub valid_bits_per_byte: f64,
    /// Bytes predicted, in windows spread evenly over the validation text.
    pub valid_bytes: u64,
    /// Length of the validation text in bytes; its first byte is not predicted.
    pub valid_part_bytes: u64,
    /// Bits per byte of the bigram model, on the same bytes.
    pub bigram_bits_per_byte: f64,
    /// Fraction of the sample's words that occur in the training text; none without a sample.
    pub word_share: Option<f64>,
    /// The same for text of the bigram model, with equal length, temperature and seed.
    pub bigram_word_share: Option<f64>,
    /// Speed of the training steps alone.
    pub tokens_per_second: f64,
    /// Wall time of the whole command.
    pub seconds: f64,
    /// Training steps.
    pub steps: u32,
    /// Steps without an update, because the gradient was not finite.
    pub skipped_steps: u32,
    /// Number of parameters in the model.
    pub parameters: u64,
    /// Whether the validation text is the text that it was trained on.
    #[serde(skip)]
    pub whole: bool,
    /// The adapter trained on.
    pub adapter: String,
    /// The run folder.
    pub run: String,
    /// Time by kernel of one extra step, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The beginning of the sample, for the text report.
    #[serde(skip)]
    pub sample: Vec<u8>,
}

/// Time by kernel.
#[derive(Debug, Serialize)]
pub struct Profile {
    clock: String,
    kernels: Vec<KernelRow>,
}

#[derive(Debug, Serialize)]
struct KernelRow {
    kernel: String,
    count: u32,
    milliseconds: f64,
}

impl Profile {
    pub fn new(clock: Clock, times: &[KernelTime]) -> Self {
        let row = |t: &KernelTime| KernelRow { kernel: t.label.clone(), count: t.count, milliseconds: 1e3 * t.seconds };
        Self { clock: clock.to_string(), kernels: times.iter().map(row).collect() }
    }

    fn print(&self) -> anyhow::Result<()> {
        let total: f64 = self.kernels.iter().map(|k| k.milliseconds).sum();
        say(format_args!("\none step by kernel, {total:.2} ms ({})", self.clock))?;
        for KernelRow { kernel, count, milliseconds } in &self.kernels {
            let share = 100.0 * milliseconds / total.max(1e-12);
            say(format_args!("  {milliseconds:>9.3} ms  {share:>5.1} %  {count:>4} x  {kernel}"))?;
        }
        Ok(())
    }
}

impl Summary {
    /// One JSON object on a line.
    pub fn print_json(&self) -> anyhow::Result<()> {
        say_json(self)
    }

    /// Lines for people.
    pub fn print(&self) -> anyhow::Result<()> {
        if !self.sample.is_empty() {
            let shown = &self.sample[..self.sample.len().min(SHOWN_BYTES)];
            say(format_args!("{}\n", String::from_utf8_lossy(shown).trim()))?;
        }
        let [read, all] = [self.valid_bytes, self.valid_part_bytes].map(HumanCount);
        let sample = if self.valid_bytes + 1 < self.valid_part_bytes {
            format!(", on {read} of its {all} bytes")
        } else {
            String::new()
        };
        let text = if self.whole { "training text" } else { "held-out text" };
        say(format_args!(
            "{text:<14}  {:.3} bits per byte (bigram model: {:.3}){sample}",
            self.valid_bits_per_byte, self.bigram_bits_per_byte
        ))?;
        if let (Some(share), Some(bigram)) = (self.word_share, self.bigram_word_share) {
            let (share, bigram) = (100.0 * share, 100.0 * bigram);
            say(format_args!(
                "sample          {share:.1} % of its words are words of the training text (bigram model: {bigram:.1} %)"
            ))?;
        }
        let [speed, steps, parameters] =
            [self.tokens_per_second as u64, self.steps.into(), self.parameters].map(HumanCount);
        say(format_args!("training        {steps} steps, {speed} tokens/s, {parameters} parameters"))?;
        if self.skipped_steps > 0 {
            say(format_args!("skipped         {} steps whose gradient was not finite", self.skipped_steps))?;
        }
        say(format_args!("time            {:.1} s in all, on {}", self.seconds, self.adapter))?;
        say(format_args!("run             {}", Printable(&self.run)))?;
        self.profile.as_ref().map_or(Ok(()), Profile::print)
    }
}
