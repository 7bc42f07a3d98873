//! `aft generate`: text from a trained model.

use std::io::{self, IsTerminal, Write, stdout};
use std::ops::ControlFlow;
use std::time::Instant;

use aft_wgpu::generate::Generator;
use aft_wgpu::gpu::Gpu;
use serde::Serialize;

use crate::model::ModelArgs;
use crate::shared::{AdapterArgs, say_json};

/// Generate text from a trained model, as it is made
///
/// The prompt is printed first, then what follows it. Bytes that are no UTF-8 become U+FFFD.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  aft generate runs/text-001
  aft generate runs/text-001 --prompt 'To be, ' --bytes 500 --temperature 0.9
  aft generate model.safetensors --temperature 0 --json")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text to continue [default: the start of a line]
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prompt: String,
    /// Bytes to generate
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bytes: u32,
    /// Below 1 likelier bytes are preferred; 0 always takes the likeliest
    #[arg(long, value_name = "T", default_value_t = 0.7)]
    temperature: f32,
    /// Seed of the sampling: the same gives the same text
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    adapter: AdapterArgs,
    /// One JSON object at the end instead of text
    #[arg(long)]
    json: bool,
}

/// The result as data.
#[derive(Debug, Serialize)]
struct Report<'a> {
    prompt: &'a str,
    text: String,
    bytes: u32,
    temperature: f32,
    seed: u64,
    bytes_per_second: f64,
    model: String,
    adapter: String,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let file = args.model.open()?;
    let gpu = Gpu::request_blocking(&args.adapter.options())?;
    let mut generator = pollster::block_on(async {
        let model = file.load(&gpu, file.config.length).await?;
        Generator::new(&gpu, &model).await
    })?;
    let begun = Instant::now();
    let mut generate = |on_byte: &mut dyn FnMut(u8) -> ControlFlow<()>| {
        let Args { prompt, bytes, temperature, seed, .. } = args;
        pollster::block_on(generator.generate(prompt.as_bytes(), *bytes as usize, *temperature, *seed, on_byte))
    };
    if args.json {
        let mut made = Vec::new();
        generate(&mut |byte| {
            made.push(byte);
            ControlFlow::Continue(())
        })?;
        return say_json(&Report {
            prompt: &args.prompt,
            text: String::from_utf8_lossy(&made).into_owned(),
            bytes: args.bytes,
            temperature: args.temperature,
            seed: args.seed,
            bytes_per_second: f64::from(args.bytes) / begun.elapsed().as_secs_f64().max(1e-9),
            model: file.name(),
            adapter: gpu.caps().adapter.to_string(),
        });
    }
    let mut text = TextStream::new(stdout());
    let mut written = Ok(());
    let mut prompt = args.prompt.as_bytes();
    generate(&mut |byte| {
        // The prompt goes out with the first byte: no output when nothing can be generated.
        written = text.push(&[std::mem::take(&mut prompt), &[byte]].concat());
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    text.end()?;
    if stdout().is_terminal() {
        writeln!(stdout())?;
    }
    Ok(())
}

/// Writes bytes as UTF-8 as soon as they are whole characters; what can be none becomes U+FFFD.
struct TextStream<W> {
    out: W,
    /// The start of a character that is not complete yet.
    waiting: Vec<u8>,
}

impl<W: Write> TextStream<W> {
    fn new(out: W) -> Self {
        Self { out, waiting: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        let mut ready = String::new();
        let mut rest: &[u8] = &self.waiting;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    ready.push_str(text);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    ready.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    // No length: more bytes may still complete it.
                    let Some(invalid) = error.error_len() else { break };
                    ready.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[invalid..];
                }
            }
        }
        self.waiting = rest.to_vec();
        self.out.write_all(ready.as_bytes())?;
        self.out.flush()
    }

    /// Writes what never became whole.
    fn end(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        self.out.write_all(String::from_utf8_lossy(&rest).as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    /// What was written after each byte, and at the end.
    fn streamed(bytes: &[u8]) -> (Vec<usize>, String) {
        let mut stream = TextStream::new(Vec::new());
        let lengths = bytes.iter().map(|b| stream.push(&[*b]).map(|()| stream.out.len()).unwrap()).collect();
        stream.end().unwrap();
        (lengths, String::from_utf8(stream.out).unwrap())
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let (lengths, text) = streamed("aé€😀b".as_bytes());
        assert_eq!(text, "aé€😀b");
        assert_eq!(lengths, [1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11]);
    }

    #[test]
    fn any_bytes_give_what_lossy_decoding_gives() {
        for bytes in [
            &b"a\xffb"[..],
            b"\xe2\x82",
            b"\xe2\x82z",
            b"\xf0\x9f\x98",
            b"\xc3\xc3\xa9",
            b"\xf0\x28\x8c\x28",
            b"\xed\xa0\x80",
            b"",
        ] {
            assert_eq!(streamed(bytes).1, String::from_utf8_lossy(bytes), "{bytes:x?}");
        }
    }
}
