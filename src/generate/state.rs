//! State of a stream on the host: saving, loading, forking.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::generate::generator::{Generator, RING_AHEAD};
use crate::generate::place::Place;
use crate::gpu::Buffer;
use crate::models::container::{Container, Data, Tensor, write};
use crate::models::language::LanguageConfig;
use crate::nn::{BlockStream, Mixer};
use crate::ops::aft::{local_stream, stream};

/// State of a stream of N sequences: all that later tokens depend on, except the model's weights. Another generator of
/// the same model continues it with the same bits.
///
/// Its file is a safetensors file: `tokens` [count, N], those in the model's positions or not yet handed on;
/// `layers.I.sums` [N, 5, D]; for a form with biases `layers.I.window` [N, min(s, T), 2, D]; for attention, instead of
/// both, `layers.I.keys_values` [N, T, 2, D]. The metadata entry `aft` has the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamState {
    head: Head,
    tokens: Vec<u8>,
    /// Of each layer: sums and, with biases, window; or the keys and values of attention.
    layers: Vec<Vec<Vec<f32>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Number of tokens of a sequence since the start of the stream.
    end: u64,
    model: LanguageConfig,
    /// Number of the token at the model's position 0.
    origin: u64,
    samples: u32,
    /// Number of last tokens that were made ahead and not handed on.
    unseen: u32,
}

/// The metadata entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    stream: Head,
}

impl Generator {
    /// Reads the state of the stream. Any generator with the same weights can continue it.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the device was lost.
    pub async fn save(&self) -> Result<StreamState> {
        let Place { origin, end, handed, .. } = self.place;
        let head =
            Head { end, model: self.config.clone(), origin, samples: self.samples(), unseen: (end - handed) as u32 };
        let ring = &self.stream.tokens;
        let words: Vec<u32> =
            self.gpu.read(&ring.buffer, 0, 4 * u64::from(ring.slots) * u64::from(ring.sequences)).await?;
        let samples = ring.sequences as usize;
        let slot = |number: u64| &words[(number % u64::from(ring.slots)) as usize * samples..][..samples];
        let tokens = (head.first()..end).flat_map(slot).map(|&word| word as u8).collect();
        let mut layers = Vec::new();
        for (buffers, shapes) in self.layer_buffers().zip(std::iter::repeat(head.layer_shapes())) {
            let mut layer = Vec::new();
            for (buffer, (_, shape)) in buffers.into_iter().zip(shapes) {
                layer.push(self.gpu.read(buffer, 0, 4 * shape.iter().product::<usize>() as u64).await?);
            }
            layers.push(layer);
        }
        Ok(StreamState { head, tokens, layers })
    }

    /// Replaces the state of the stream by `state`.
    ///
    /// # Errors
    /// [`Error::Config`] if the state belongs to another model or has another number of sequences.
    pub fn restore(&mut self, state: &StreamState) -> Result<()> {
        let StreamState { head, tokens, layers } = state;
        if head.model != self.config {
            return Err(Error::Config("the state of the stream belongs to another model".into()));
        }
        if head.samples != self.samples() {
            let text = format!("the state has {} sequences, the generator {}", head.samples, self.samples());
            return Err(Error::Config(text));
        }
        let words: Vec<u32> = tokens.iter().copied().map(u32::from).collect();
        self.write_tokens(head.first(), &words)?;
        for (buffers, layer) in self.layer_buffers().zip(layers) {
            for (buffer, values) in buffers.into_iter().zip(layer) {
                self.gpu.write(buffer, 0, bytemuck::cast_slice(values))?;
            }
        }
        let Head { end, origin, unseen, .. } = *head;
        let (read, handed) = (end.saturating_sub(1).max(origin), end - u64::from(unseen));
        self.place = Place { origin, read, end, handed, ..self.place };
        self.write_cursor()
    }

    fn layer_buffers(&self) -> impl Iterator<Item = Vec<&Buffer>> {
        self.stream.blocks.iter().map(BlockStream::state)
    }
}

impl Head {
    /// Names and shapes of a layer's tensors.
    fn layer_shapes(&self) -> Vec<(&'static str, Vec<usize>)> {
        let [samples, dim, reach] = [self.samples, self.model.dim, self.model.reach()].map(|n| n as usize);
        if self.model.variant == Mixer::Attention {
            return vec![("keys_values", vec![samples, self.model.length as usize, 2, dim])];
        }
        let mut shapes = vec![("sums", vec![samples, 5, dim])];
        if reach > 0 {
            shapes.push(("window", vec![samples, reach, 2, dim]));
        }
        shapes
    }

    /// Number of the first token in the state.
    fn first(&self) -> u64 {
        self.origin.min(self.end - u64::from(self.unseen))
    }

    /// Number of tokens of a sequence in the state; fails if the header is invalid.
    fn tokens(&self) -> Result<usize> {
        self.model.validate().map_err(|e| broken(e.to_string()))?;
        let Self { end, origin, samples, unseen, ref model } = *self;
        let sums = stream::sums_bytes(samples, model.dim);
        let reach = if model.variant == Mixer::Attention { model.length } else { model.reach() };
        let window = local_stream::ring_bytes(samples, model.length, reach, model.dim);
        let sound = samples > 0
            && sums.max(window) <= 1 << 40
            && unseen <= RING_AHEAD
            && u64::from(unseen) <= end
            && origin <= end
            && end - origin <= u64::from(model.length) + 1
            && (origin < end || end == 0);
        match sound {
            true => usize::try_from(end - self.first()).map_err(|e| broken(e.to_string())),
            false => Err(broken(format!("invalid stream: {origin} to {end}, {unseen} unseen, {samples} sequences"))),
        }
    }
}

impl StreamState {
    /// Sequences, N.
    pub fn samples(&self) -> u32 {
        self.head.samples
    }

    /// Repeats every sequence `times` times: sequence i of the result continues sequence i / `times`.
    ///
    /// # Errors
    /// [`Error::Config`] for 0 sequences, or more than a state can have.
    pub fn fork(&self, times: u32) -> Result<Self> {
        let Self { head, tokens, layers } = self;
        let forked = Head { samples: head.samples.saturating_mul(times), ..head.clone() };
        forked.tokens().map_err(|_| Error::Config(format!("a stream cannot be forked {times} times")))?;
        let samples = head.samples as usize;
        let repeat = |values: &Vec<f32>| {
            let sequences = values.chunks(values.len() / samples);
            sequences.flat_map(|one| one.repeat(times as usize)).collect()
        };
        Ok(Self {
            head: forked,
            tokens: tokens.iter().flat_map(|&token| std::iter::repeat_n(token, times as usize)).collect(),
            layers: layers.iter().map(|layer| layer.iter().map(repeat).collect()).collect(),
        })
    }

    /// The state as a safetensors file. Equal states give equal bytes.
    ///
    /// # Errors
    /// [`Error::Format`] if it cannot be written as one.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let Self { head, tokens, layers } = self;
        let samples = head.samples as usize;
        let words: Vec<u32> = tokens.iter().copied().map(u32::from).collect();
        let shape = vec![words.len() / samples, samples];
        let mut tensors = vec![Tensor { name: TOKENS.into(), shape, data: Data::U32(&words) }];
        for (i, layer) in layers.iter().enumerate() {
            let parts = layer.iter().zip(head.layer_shapes());
            tensors.extend(parts.map(|(values, (part, shape))| {
                let name = format!("layers.{i}.{part}");
                Tensor { name, shape, data: Data::F32(values) }
            }));
        }
        write(&Header { stream: head.clone() }, &tensors).map_err(of_stream)
    }

    /// Reads a state from the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged; if a tensor is missing, unknown, not finite, or of another shape or
    /// type; or if the header is invalid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(&Container::read(bytes).map_err(of_stream)?).map_err(of_stream)
    }

    fn read(file: &Container<'_>) -> Result<Self> {
        let Header { stream: head } = file.header()?;
        let (tokens, shapes) = (head.tokens()?, head.layer_shapes());
        let (expected, found) = (1 + u64::from(head.model.layers) * shapes.len() as u64, file.names().len());
        if found as u64 != expected {
            return Err(broken(format!("{found} tensors, expected {expected}")));
        }
        let words = file.words(TOKENS, &[tokens, head.samples as usize])?;
        let tokens = words.iter().map(|&word| u8::try_from(word).map_err(|_| broken(format!("{word} is not a byte"))));
        let tokens = tokens.collect::<Result<_>>()?;
        let layer = |i: u32| {
            let part = |(part, shape): &(&str, Vec<usize>)| file.floats(&format!("layers.{i}.{part}"), shape);
            shapes.iter().map(part).collect()
        };
        let layers = (0..head.model.layers).map(layer).collect::<Result<_>>()?;
        Ok(Self { tokens, layers, head })
    }
}

/// Name of the tensor of tokens.
const TOKENS: &str = "tokens";

/// Rewords an error about a file's content as one about a stream state.
fn of_stream(error: Error) -> Error {
    match error {
        Error::Format { message, .. } => broken(message),
        other => other,
    }
}

fn broken(message: String) -> Error {
    Error::Format { path: "stream state".into(), message }
}
