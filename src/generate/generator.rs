//! Text generation: prompts in, tokens out.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::generate::place::Place;
use crate::generate::sampling::Sampling;
use crate::gpu::{Buffer, Gpu, Plane, Program, Recorder};
use crate::models::language::{Language, LanguageConfig};
use crate::models::stream::{LanguageStream, StreamPass};
use crate::ops::Builder;
use crate::ops::aft::local_stream::longest_chunk;
use crate::ops::nn::sample::{self, Sample, Settings};

/// Most tokens of a sequence that a pass over a prompt reads.
const CHUNK: u32 = 64;
/// Most rows of such a pass, and so most sequences; keeps planes small.
const ROWS: u32 = 4096;
/// Most tokens recorded at once, within [`AHEAD_MS`] of estimated work, so that text appears as it is made.
const AHEAD: u32 = 8;
const AHEAD_MS: f64 = 100.0;
/// Most readbacks in flight, each of up to [`AHEAD`] tokens.
const IN_FLIGHT: usize = 3;
/// Slots of the token ring beyond the model's positions: the most tokens that are made and not yet handed on.
pub(super) const RING_AHEAD: u32 = AHEAD * (IN_FLIGHT as u32 + 1);

/// Generates N sequences from a language model with fixed weights. All read the same prompts; each draws its own
/// tokens.
///
/// A model has T positions. When all are used, the last T/2 tokens are read again from position 0.
pub struct Generator {
    pub(super) gpu: Gpu,
    pub(super) config: LanguageConfig,
    pub(super) stream: LanguageStream,
    pub(super) place: Place,
    settings: Buffer,
    logits: Plane,
    chunk: u32,
    ahead: u32,
    read: Program,
    step: Program,
    recorder: Recorder,
}

impl Generator {
    /// Prepares `samples` sequences, N: makes every buffer, bind group and pipeline for generation.
    ///
    /// # Errors
    /// [`Error::Config`] for 0 sequences; [`Error::LimitExceeded`] for more than 4,096, or a window above about
    /// 126,000; [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub async fn new(gpu: &Gpu, model: &Language, samples: u32) -> Result<Self> {
        let (mut generator, setup) = gpu.checked("preparing generation", || Self::build(gpu, model, samples)).await?;
        generator.recorder.run(&setup).await?;
        generator.recorder.submit().await?;
        Ok(generator)
    }

    fn build(gpu: &Gpu, model: &Language, samples: u32) -> Result<(Self, Program)> {
        if samples > ROWS {
            return Err(Error::LimitExceeded {
                what: "texts generated at once (samples)".into(),
                limit: "rows of a pass",
                needed: samples.into(),
                granted: ROWS.into(),
                advice: "fewer samples".into(),
            });
        }
        let config = model.config.clone();
        let b = &mut Builder::new(gpu, model.placement);
        let stream = model.open(b, samples, RING_AHEAD)?;
        let setup = b.take_program();
        let chunk = chunk(&config, samples);
        model.stream(b, &stream, &StreamPass { chunk, leave: 1, made: 0 })?;
        let read = b.take_program();
        let rows = model.stream(b, &stream, &StreamPass { chunk: 1, leave: 0, made: 1 })?;
        let logits = model.stream_logits(b, &stream, rows)?;
        let settings = gpu.storage("sampling", size_of::<Settings>() as u64)?;
        let args = Sample { logits: &logits, cursor: &stream.cursor, settings: &settings, tokens: &stream.tokens };
        sample::sample(b, &args)?;
        let step = b.take_program();
        let ahead = (AHEAD_MS / gpu.caps().estimate_ms(step.cost())).clamp(1.0, AHEAD.into()) as u32;
        let place = Place::start(config.length, model.kept());
        let recorder = Recorder::new(gpu);
        let gpu = gpu.clone();
        Ok((Self { gpu, config, stream, place, settings, logits, chunk, ahead, read, step, recorder }, setup))
    }

    /// Sequences, N.
    pub fn samples(&self) -> u32 {
        self.stream.tokens.sequences
    }

    /// Forgets all tokens. Also recovers a generator after the future of a call was dropped before its end.
    pub fn restart(&mut self) {
        self.recorder = Recorder::new(&self.gpu);
        self.place = Place::start(self.config.length, self.place.kept as u32);
    }

    /// Reads more text into every sequence, in chunks. Tokens made ahead and not handed on stay part of the text.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Rejected`].
    pub async fn read(&mut self, text: &[u8]) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let needed = self.place.append(text.len() as u64);
        let text = &text[text.len() - (self.place.end - needed) as usize..];
        let samples = self.samples() as usize;
        let words: Vec<u32> = text.iter().flat_map(|&byte| std::iter::repeat_n(byte.into(), samples)).collect();
        self.write_tokens(needed, &words)?;
        self.write_cursor()?;
        let unread = self.place.unread();
        self.record_read(unread).await?;
        self.place.read += unread;
        self.recorder.submit().await
    }

    /// Makes the next `count` tokens and calls `on_tokens` for each as it is made, with one token of every sequence,
    /// until it breaks off. If nothing was read, the text begins after a line end.
    ///
    /// Some tokens are made ahead. After a break, the next call hands on the tokens left over, unless text is read
    /// before it.
    ///
    /// # Errors
    /// As [`Sampling::settings`]; [`Error::DeviceLost`].
    pub async fn generate(
        &mut self,
        count: usize,
        sampling: &Sampling,
        mut on_tokens: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        let settings = sampling.settings()?;
        if count == 0 {
            return Ok(());
        }
        if self.place.end == 0 {
            self.read(b"\n").await?;
        }
        self.gpu.write(&self.settings, 0, bytemuck::bytes_of(&settings))?;
        let goal = self.place.handed + count as u64;
        let mut asked = self.place.handed;
        let mut reads = VecDeque::new();
        let (samples, slots) = (u64::from(self.samples()), u64::from(self.stream.tokens.slots));
        loop {
            while asked < goal && reads.len() < IN_FLIGHT {
                if asked == self.place.end {
                    self.record_steps((goal - asked).min(self.ahead.into())).await?;
                }
                // Up to the end of the ring, where tokens wrap.
                let slot = asked % slots;
                let len = (self.place.end.min(goal) - asked).min(slots - slot);
                let (offset, bytes) = (4 * samples * slot, 4 * samples * len);
                reads.push_back(self.gpu.start_read(&self.stream.tokens.buffer, offset, bytes).await?);
                asked += len;
            }
            let Some(read) = reads.pop_front() else { return Ok(()) };
            let words: Vec<u32> = read.finish(&self.gpu).await?;
            let tokens: Vec<u8> = words.iter().map(|&word| word as u8).collect();
            for tokens in tokens.chunks(samples as usize) {
                self.place.handed += 1;
                if on_tokens(tokens).is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// Logits of the token drawn last, [N, 256].
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub(crate) async fn logits(&self) -> Result<Vec<f32>> {
        self.logits.read(&self.gpu).await
    }

    /// Tokens that can be made before all of the model's positions are used and some tokens are read again.
    pub fn left(&self) -> u64 {
        self.place.left()
    }

    /// Fails unless `prompt` more tokens and `count` generated ones fit the model's positions, so that none are read
    /// again.
    ///
    /// # Errors
    /// [`Error::Config`], with the numbers.
    pub fn expect_room(&self, prompt: usize, count: usize) -> Result<()> {
        // An empty text starts with a line end. The last generated token is not read.
        let before = self.place.end - self.place.origin + prompt as u64;
        let needed = before.max(1) + (count as u64).saturating_sub(1);
        if needed <= self.place.length {
            return Ok(());
        }
        let length = self.place.length;
        Err(Error::Config(format!(
            "{prompt} bytes and {count} that follow need {needed} positions, and the model has {length}: ask for fewer, or let it \
             read its last half again when they are full"
        )))
    }

    /// Records and submits the generation of `count` tokens.
    async fn record_steps(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let before_last = self.place.make();
            self.record_read(before_last).await?;
            self.recorder.run(&self.step).await?;
        }
        self.recorder.submit().await
    }

    /// Records passes over `count` tokens of each sequence.
    async fn record_read(&mut self, count: u64) -> Result<()> {
        for _ in 0..count.div_ceil(self.chunk.into()) {
            self.recorder.run(&self.read).await?;
        }
        Ok(())
    }

    /// Writes tokens [count, N], numbered from `first`, before the next submission.
    pub(super) fn write_tokens(&self, first: u64, words: &[u32]) -> Result<()> {
        let (samples, slots) = (u64::from(self.samples()), u64::from(self.stream.tokens.slots));
        let slot = first % slots;
        let (here, wrapped) = words.split_at(words.len().min((samples * (slots - slot)) as usize));
        let buffer = &self.stream.tokens.buffer;
        self.gpu.write(buffer, 4 * samples * slot, bytemuck::cast_slice(here))?;
        if wrapped.is_empty() { Ok(()) } else { self.gpu.write(buffer, 0, bytemuck::cast_slice(wrapped)) }
    }

    /// Writes the cursor before the next submission.
    pub(super) fn write_cursor(&self) -> Result<()> {
        self.gpu.write(&self.stream.cursor, 0, bytemuck::bytes_of(&self.place.cursor()))
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("config", &self.config).field("place", &self.place).finish_non_exhaustive()
    }
}

/// Most tokens of a sequence that a pass over a prompt reads.
fn chunk(config: &LanguageConfig, samples: u32) -> u32 {
    let longest = if config.reach() == 0 { CHUNK } else { longest_chunk(config.length, config.reach()) };
    CHUNK.min(config.length).min(longest).min(ROWS / samples.max(1)).max(1)
}
