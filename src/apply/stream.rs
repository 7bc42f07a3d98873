//! Runs a layer on a device as a stream: a few tokens at a time.

use super::Problem;
use super::bias::DeviceBias;
use super::device::unwritten;
use crate::error::{Error, Result};
use crate::form::SizedForm;
use crate::gpu::{Buffer, Gpu, Placement, Plane, Program, Recorder};
use crate::ops::Builder;
use crate::ops::aft::biases::{Biases, StreamBias};
use crate::ops::aft::{heads, local_stream, qkv_cols, simple_stream, stream};
use crate::ops::nn::cursor::Cursor;

impl Problem {
    /// y [B, T, D] of the layer, reading `chunk` tokens of each sequence at a time; the last chunk may be shorter. dy is not
    /// used.
    ///
    /// # Errors
    /// [`Error::Config`] for a layer that is not causal, has a mask, no gate or a grid; as [`Problem::check`],
    /// [`simple_stream::forward`] and [`local_stream::forward`].
    pub async fn stream(&self, gpu: &Gpu, placement: Placement, chunk: usize) -> Result<Vec<f32>> {
        self.check()?;
        if !self.causal || self.mask.is_some() || !self.gated || matches!(self.form, SizedForm::Conv2d(..)) {
            return Err(Error::Config("a stream is causal, gated, without a mask and on a line".into()));
        }
        let chunk = chunk.clamp(1, self.dims.t);
        let b = &mut Builder::new(gpu, placement);
        let pass = gpu.checked("preparing a stream", || Pass::new(self, b, chunk as u32)).await?;
        let mut recorder = Recorder::new(gpu);
        recorder.run(&pass.biases).await?;
        let packed = self.packed();
        let cols = pass.x.cols as usize;
        let [sequences, time, channels] = [self.dims.b, self.dims.t, self.dims.d];
        let mut all = vec![f32::NAN; self.dims.size()];
        for first in (0..time).step_by(chunk) {
            let count = chunk.min(time - first);
            // Unread inputs and outputs that are not stored stay NaN.
            let mut x = vec![f32::NAN; sequences * chunk * cols];
            for (n, to) in x.chunks_mut(chunk * cols).enumerate() {
                to[..count * cols].copy_from_slice(&packed[(n * time + first) * cols..][..count * cols]);
            }
            pass.x.write(gpu, &x)?;
            pass.y.fill(gpu, f32::NAN)?;
            let here = Cursor { origin: 0, position: first as u32, rows: count as u32, end: time as u32 };
            gpu.write(&pass.cursor, 0, bytemuck::bytes_of(&here))?;
            recorder.run(&pass.program).await?;
            recorder.finish().await?;
            for (n, from) in pass.y.read(gpu).await?.chunks(chunk * channels).enumerate() {
                let to = &mut all[(n * time + first) * channels..][..count * channels];
                to.copy_from_slice(&from[..count * channels]);
            }
        }
        Ok(all)
    }
}

/// The program for the next tokens, and its inputs and outputs.
struct Pass {
    /// Prepares the biases; run once.
    biases: Program,
    /// Processes the tokens at the cursor.
    program: Program,
    x: Plane,
    y: Plane,
    cursor: Buffer,
}

impl Pass {
    fn new(problem: &Problem, b: &mut Builder, chunk: u32) -> Result<Self> {
        let [sequences, time, channels, heads] =
            [problem.dims.b, problem.dims.t, problem.dims.d, problem.heads].map(|n| n as u32);
        let gpu = &b.gpu.clone();
        let rows = sequences * chunk;
        let conv = problem.form.is_conv();
        let bias = DeviceBias::new(problem, gpu, b.placement, false)?;
        let bias = match bias.biases(problem) {
            Biases::None => None,
            biases => Some(StreamBias::new(b, time, channels, &biases)?),
        };
        let biases = b.take_program();

        let qkv = unwritten(gpu, rows, qkv_cols(channels), b.placement)?;
        let x = if conv { unwritten(gpu, rows, heads::cols(channels, heads), b.placement)? } else { qkv.clone() };
        if conv {
            heads::spread(b, channels, heads, &x, &qkv)?;
        }
        let y = unwritten(gpu, rows, channels, b.placement)?;
        let cursor = gpu.upload("cursor", &[Cursor::default()])?;
        // Filled with arbitrary values, because the state of an earlier stream must not matter.
        let left = |label, bytes: u64| gpu.upload(label, &vec![3e3f32; bytes as usize / 4]);
        let sums = &left("sums", stream::sums_bytes(sequences, channels))?;
        match &bias {
            None => {
                let args = simple_stream::Forward { sequences, chunk, qkv: &qkv, cursor: &cursor, sums, y: &y };
                simple_stream::forward(b, &args)?;
            }
            Some(bias) => {
                let ring = &left("ring", local_stream::ring_bytes(sequences, time, bias.reach(), channels))?;
                let (qkv, cursor, y) = (&qkv, &cursor, &y);
                let args = local_stream::Forward { sequences, chunk, qkv, bias, cursor, sums, ring, y };
                local_stream::forward(b, &args)?;
            }
        }
        Ok(Self { biases, program: b.take_program(), x, y, cursor })
    }
}
