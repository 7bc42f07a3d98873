//! `aft generate`: generates text from a trained model.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use aft_wgpu::Result;
use aft_wgpu::generate::{Generator, Sampling};
use aft_wgpu::gpu::Gpu;
use serde::Serialize;

use crate::command_line::{real, whole};
use crate::model::{ModelArgs, ModelFile};
use crate::shared::{AdapterArgs, read_text, say_json};
use crate::text_stream::TextStream;

/// Generate text from a trained model, as it is made
///
/// The prompt is printed first, then what follows it. Bytes that are not UTF-8 become U+FFFD, without --raw. When the model's
/// length is reached, the last half of it is read again, and generation goes on.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aft generate runs/text-001
  aft generate runs/text-001 --prompt 'To be, ' --bytes 500 --temperature 0.9 --top-p 0.95
  aft generate runs/text-001 --samples 3 --seed 7
  aft generate runs/text-001 --prompt-file start.bin --raw > out.bin
  aft generate model.safetensors --temperature 0 --json")]
pub struct Args {
    /// Run folder of `aft train text`, or a model or checkpoint of one
    #[arg(value_name = "RUN|FILE")]
    path: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Text to continue, taken as it is [default: the start of a line]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<OsString>,
    /// File with the bytes to continue; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Bytes to generate
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole(0..=u32::MAX))]
    bytes: u32,
    /// Below 1 likelier bytes are preferred; 0 always takes the likeliest
    #[arg(long, value_name = "T", default_value_t = 0.7, value_parser = real("from 0 on", |t: f32| t >= 0.0))]
    temperature: f32,
    /// Only the K likeliest bytes are left; 0 leaves all
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = whole(0..=u32::MAX))]
    top_k: u32,
    /// Only the fewest bytes whose share reaches P are left; 1 leaves all
    #[arg(
        long, value_name = "P", default_value_t = 1.0,
        value_parser = real("above 0 and at most 1", |p: f32| p > 0.0 && p <= 1.0)
    )]
    top_p: f32,
    /// Seed of the sampling: the same gives the same text
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole(0..=u64::MAX))]
    seed: u64,
    /// Texts to generate at once, each drawn for itself; the first appears as it is made
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1..=u32::MAX))]
    samples: u32,
    /// Write the bytes of prompt and text as they are, and nothing else
    #[arg(long, conflicts_with_all = ["json", "samples"])]
    raw: bool,
    /// Refuse to generate more than the model's length instead of reading the last half of it again
    #[arg(long)]
    stop_at_length: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

/// The result, for `--json`.
#[derive(Debug, Serialize)]
struct Report {
    prompt: String,
    /// The first text.
    text: String,
    /// All texts, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<Vec<String>>,
    bytes: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    seed: u64,
    bytes_per_second: f64,
    model: String,
    adapter: String,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let sampling = args.sampling();
    // Checks the sampling options before anything is loaded.
    sampling.settings()?;
    let prompt = args.prompt()?;
    let file = args.model.open(&args.path)?;
    let gpu = Gpu::request_blocking(&args.adapter.options())?;
    let mut generator = pollster::block_on(async {
        let model = file.load(&gpu, file.config.length).await?;
        Generator::new(&gpu, &model, args.samples).await
    })?;
    if args.stop_at_length {
        generator.expect_room(prompt.len(), args.bytes as usize)?;
    }
    let begun = Instant::now();
    let mut texts = vec![Vec::new(); args.samples as usize];
    let mut out = TextStream::new(stdout(), args.raw);
    let mut written = Ok(());
    let mut unwritten = prompt.as_slice();
    args.generate(&prompt, &mut generator, &file, &sampling, |tokens| {
        texts.iter_mut().zip(tokens).for_each(|(text, &token)| text.push(token));
        if !args.json {
            // The prompt is written with the first byte, so that nothing is printed if generation fails.
            written = out.push(&[std::mem::take(&mut unwritten), &tokens[..1]].concat());
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    if args.json {
        let seconds = begun.elapsed().as_secs_f64().max(1e-9);
        return args.report(&prompt, &texts, seconds, file.name(), gpu.caps().adapter.to_string());
    }
    out.end()?;
    args.others(&prompt, &texts[1..])?;
    if stdout().is_terminal() && !args.raw {
        writeln!(stdout())?;
    }
    Ok(())
}

impl Args {
    fn sampling(&self) -> Sampling {
        let &Self { temperature, top_k, top_p, seed, .. } = self;
        Sampling { temperature, top_k, top_p, seed, ..Default::default() }
    }

    /// The bytes of the prompt.
    fn prompt(&self) -> Result<Vec<u8>> {
        match &self.prompt_file {
            Some(path) => read_text(path),
            None => Ok(self.prompt.as_ref().map_or_else(Vec::new, |prompt| prompt.as_encoded_bytes().to_vec())),
        }
    }

    /// Reads the prompt and passes on the generated bytes. Reports once on stderr when the model's length is reached.
    fn generate(
        &self,
        prompt: &[u8],
        generator: &mut Generator,
        file: &ModelFile,
        sampling: &Sampling,
        mut on_tokens: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        pollster::block_on(async {
            let prompt = if prompt.is_empty() { b"\n" } else { prompt };
            let length = file.config.length as usize;
            generator.read(prompt).await?;
            let mut left = if prompt.len() > length { 0 } else { generator.left() };
            let mut said = false;
            let count = self.bytes as usize;
            generator
                .generate(count, sampling, |tokens| {
                    if left == 0 && !said {
                        said = true;
                        // Ignored if stderr is closed.
                        let _ = writeln!(
                            stderr(),
                            "note: the model's length of {length} bytes is reached; its last half is read again, now and \
                             whenever it is (--stop-at-length refuses instead)"
                        );
                    }
                    left = left.saturating_sub(1);
                    on_tokens(tokens)
                })
                .await
        })?;
        Ok(())
    }

    /// Prints the texts after the first.
    fn others(&self, prompt: &[u8], texts: &[Vec<u8>]) -> io::Result<()> {
        let prompt = String::from_utf8_lossy(prompt);
        for (number, text) in (2..).zip(texts) {
            let text = String::from_utf8_lossy(text);
            writeln!(stdout(), "\n\n--- {number} of {} ---\n{prompt}{text}", self.samples)?;
        }
        Ok(())
    }

    fn report(
        &self,
        prompt: &[u8],
        texts: &[Vec<u8>],
        seconds: f64,
        model: String,
        adapter: String,
    ) -> anyhow::Result<()> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut texts: Vec<String> = texts.iter().map(|bytes| text(bytes)).collect();
        let samples = (texts.len() > 1).then(|| texts.clone());
        let &Self { bytes, temperature, top_k, top_p, seed, .. } = self;
        say_json(&Report {
            prompt: text(prompt),
            text: texts.swap_remove(0),
            samples,
            bytes,
            temperature,
            top_k,
            top_p,
            seed,
            bytes_per_second: f64::from(bytes) * f64::from(self.samples) / seconds,
            model,
            adapter,
        })
    }
}
