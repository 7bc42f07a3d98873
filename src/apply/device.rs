//! A layer on a device.

use super::{Form, Gradients, Outcome, Problem};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Page, Placement, Plane, Recorder, Weights};
use crate::ops::aft::biases::{BiasGradient, Biases};
use crate::ops::aft::dense::Rowed;
use crate::ops::aft::mix::{self, Mix, Mixed};
use crate::ops::aft::taps::Taps;
use crate::ops::aft::{heads, qkv_cols};
use crate::ops::{Builder, Gradient};

/// The biases of a problem on the device, and where their gradient goes.
enum DeviceBias {
    None,
    Factors { factors: Box<[Weights; 2]>, gradients: Buffer, target: Gradient },
    Dense { w: Buffer, gradients: Buffer, columns: u32 },
    Taps { values: Buffer, gradients: Buffer, target: Gradient },
}

impl Problem {
    /// What the layer gives on a device, with planes where `placement` says. Outputs are NaN before the kernels store them.
    ///
    /// # Errors
    /// As [`Problem::check`] and [`mix::forward`].
    pub async fn run(&self, gpu: &Gpu, placement: Placement) -> Result<Outcome<f32>> {
        self.check()?;
        let layer = gpu.checked("preparing a layer", || Layer::new(self, gpu, placement)).await?;
        let mut recorder = Recorder::new(gpu);
        recorder.run(&layer.program).await?;
        recorder.finish().await?;
        layer.read(self, gpu).await
    }
}

/// The planes of a problem, and the program that computes it.
struct Layer {
    program: crate::gpu::Program,
    out: Mixed,
    /// The gradient of the projection: dq, dv and dk by heads, or of the plane qkv.
    dx: Option<Plane>,
    bias: DeviceBias,
}

impl Layer {
    fn new(problem: &Problem, gpu: &Gpu, placement: Placement) -> Result<Self> {
        let b = &mut Builder::new(gpu, placement);
        let dims = problem.dims;
        let [batch, time, channels, heads] = [dims.b, dims.t, dims.d, problem.heads].map(|n| n as u32);
        let mask = problem.mask.as_ref().map(|mask| {
            let words: Vec<u32> = mask.iter().map(|&present| present.into()).collect();
            gpu.upload("mask", &words)
        });
        let mask = mask.transpose()?;
        let Problem { causal, gated, .. } = *problem;
        let mix = Mix { batch, time, channels, causal, gated, mask: mask.as_ref() };
        let rows = batch * time;
        let conv = problem.form.is_conv();
        let qkv = if conv {
            let x = Plane::upload(gpu, "projection", rows, heads::cols(channels, heads), &problem.packed(), placement)?;
            let qkv = unwritten(gpu, rows, qkv_cols(channels), placement)?;
            heads::spread(b, channels, heads, &x, &qkv)?;
            qkv
        } else {
            Plane::upload(gpu, "qkv", rows, qkv_cols(channels), &problem.packed(), placement)?
        };
        let bias = DeviceBias::new(problem, gpu, placement)?;
        let saved = match problem.dy {
            Some(_) => Some(mix::Saved {
                centre: unwritten(gpu, batch, channels, placement)?,
                r: unwritten(gpu, rows, channels, placement)?,
            }),
            None => None,
        };
        let plane = || unwritten(gpu, rows, channels, placement);
        let out = Mixed { y: plane()?, log_den: plane()?, saved };
        mix::forward(b, &mix, &bias.biases(problem), &qkv, &out)?;
        let dx = match &problem.dy {
            Some(dy) => {
                let dy = Plane::upload(gpu, "dy", rows, channels, dy, placement)?;
                let dqkv = unwritten(gpu, rows, qkv_cols(channels), placement)?;
                let args = mix::Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases: bias.target() };
                mix::backward(b, &mix, &bias.biases(problem), &args)?;
                if conv {
                    let dx = unwritten(gpu, rows, heads::cols(channels, heads), placement)?;
                    heads::gather(b, channels, heads, &dqkv, &dx)?;
                    Some(dx)
                } else {
                    Some(dqkv)
                }
            }
            None => None,
        };
        Ok(Self { program: b.take_program(), out, dx, bias })
    }

    async fn read(&self, problem: &Problem, gpu: &Gpu) -> Result<Outcome<f32>> {
        let y = self.out.y.read(gpu).await?;
        let gradients = match &self.dx {
            Some(dx) => {
                let [dq, dk, dv] = problem.unpacked(&dx.read(gpu).await?);
                Some(Gradients { dq, dk, dv, dw: self.bias.gradients(problem, gpu).await? })
            }
            None => None,
        };
        Ok(Outcome { y, gradients })
    }
}

/// A plane of NaN: what a kernel forgets shows.
fn unwritten(gpu: &Gpu, rows: u32, cols: u32, placement: Placement) -> Result<Plane> {
    let plane = Plane::new(gpu, "output", rows, cols, placement)?;
    plane.fill(gpu, f32::NAN)?;
    Ok(plane)
}

impl Problem {
    /// q, k and v side by side, each from a whole vec4 on: of AFT-conv in the order q, v, k.
    fn packed(&self) -> Vec<f32> {
        let mut packed = Vec::new();
        for row in 0..self.dims.b * self.dims.t {
            for (values, cols, padded) in self.parts([&self.q, &self.k, &self.v]) {
                packed.extend_from_slice(&values[row * cols..][..cols]);
                packed.extend(std::iter::repeat_n(0.0, padded - cols));
            }
        }
        packed
    }

    /// The inverse, as q, k, v.
    fn unpacked(&self, packed: &[f32]) -> [Vec<f32>; 3] {
        let parts = self.parts([&[]; 3]);
        let width: usize = parts.iter().map(|(_, _, padded)| padded).sum();
        let mut out: [Vec<f32>; 3] = Default::default();
        for row in packed.chunks(width) {
            let mut from = 0;
            for (part, (_, cols, padded)) in parts.iter().enumerate() {
                out[part].extend_from_slice(&row[from..][..*cols]);
                from += padded;
            }
        }
        if self.form.is_conv() {
            out.swap(1, 2);
        }
        out
    }

    /// Tensors in the order in which they lie side by side, with their columns, and those with padding.
    fn parts<'a>(&self, [q, k, v]: [&'a [f32]; 3]) -> [(&'a [f32], usize, usize); 3] {
        let (d, padded) = (self.dims.d, self.dims.d.next_multiple_of(4));
        if self.form.is_conv() {
            [(q, d, padded), (v, d, padded), (k, self.heads, self.heads)]
        } else {
            [(q, d, padded), (k, d, padded), (v, d, padded)]
        }
    }
}

impl DeviceBias {
    fn new(problem: &Problem, gpu: &Gpu, placement: Placement) -> Result<Self> {
        let [shape, _] = problem.bias_shapes();
        let [rows, cols] = shape.map(|n| n as u32);
        match problem.form {
            Form::Simple | Form::Local(0, _) => Ok(Self::None),
            Form::Full(_) | Form::Local(..) if problem.rank().is_some() => {
                let bytes = Weights::padded_bytes(rows, cols).next_multiple_of(256);
                let page = Page::new(gpu, "factors", 2 * bytes, placement)?;
                let [u, v] = [0, bytes].map(|offset| page.tensor(offset, rows, cols));
                for (weights, data) in [&u, &v].into_iter().zip(&problem.w) {
                    gpu.write(&page.buffer, weights.offset_bytes, bytemuck::cast_slice(&weights.pad(data)?))?;
                }
                page.submit_refresh(gpu);
                let gradients = nan(gpu, gpu.storage(GRADIENT, 2 * bytes)?)?;
                let target = Gradient::of(&gradients, &u, Some(&v), false)?;
                Ok(Self::Factors { factors: Box::new([u, v]), gradients, target })
            }
            Form::Full(_) | Form::Local(..) => {
                // Kernels read and write some rows at a time.
                let w = gpu.sliced("biases", 4 * u64::from(rows) * u64::from(cols))?;
                gpu.write(&w, 0, bytemuck::cast_slice(&problem.w[0]))?;
                let gradients = nan(gpu, gpu.sliced(GRADIENT, w.size())?)?;
                Ok(Self::Dense { w, gradients, columns: cols })
            }
            Form::Conv1d(_) | Form::Conv2d(..) => {
                let padded = cols.next_multiple_of(4) as usize;
                let mut values = vec![0.0; padded * rows as usize];
                for (to, from) in values.chunks_mut(padded).zip(problem.w[0].chunks(cols as usize)) {
                    to[..from.len()].copy_from_slice(from);
                }
                let values = gpu.upload("taps", &values)?;
                let gradients = nan(gpu, gpu.storage(GRADIENT, values.size())?)?;
                let target = Gradient::whole(&gradients, rows * cols.div_ceil(4));
                Ok(Self::Taps { values, gradients, target })
            }
        }
    }

    fn biases<'a>(&'a self, problem: &Problem) -> Biases<'a> {
        match (self, problem.form) {
            (Self::Factors { factors, .. }, form) => {
                let window = if let Form::Local(window, _) = form { window as u32 } else { u32::MAX };
                Biases::Factors { u: &factors[0], v: &factors[1], window }
            }
            (Self::Dense { w, columns, .. }, Form::Local(window, _)) => {
                Biases::Band { w: rowed(w, *columns), window: window as u32 }
            }
            (Self::Dense { w, columns, .. }, _) => Biases::Full(rowed(w, *columns)),
            (Self::Taps { values, .. }, form) => {
                let (size, grid) = match form {
                    Form::Conv2d(size, columns) => (size, Some(columns as u32)),
                    Form::Conv1d(size) => (size, None),
                    _ => (1, None),
                };
                Biases::Taps(Taps { values, heads: problem.heads as u32, size: size as u32, grid })
            }
            (Self::None, _) => Biases::None,
        }
    }

    fn target(&self) -> Option<BiasGradient<'_>> {
        match self {
            Self::None => None,
            Self::Factors { target, .. } => Some(BiasGradient::Factors(target)),
            Self::Dense { gradients, columns, .. } => Some(BiasGradient::Dense(rowed(gradients, *columns), false)),
            Self::Taps { target, .. } => Some(BiasGradient::Taps(target)),
        }
    }

    async fn gradients(&self, problem: &Problem, gpu: &Gpu) -> Result<[Vec<f32>; 2]> {
        let shapes = problem.bias_shapes();
        let read = async |buffer: &Buffer, from: u64, bytes: u64| gpu.read::<f32>(buffer, from, bytes).await;
        match self {
            // A window of 0 reads no bias: its gradient is 0.
            Self::None => Ok(shapes.map(|[rows, cols]| vec![0.0; rows * cols])),
            Self::Factors { factors, gradients, .. } => {
                let mut parts = [Vec::new(), Vec::new()];
                for (part, w) in parts.iter_mut().zip(factors.iter()) {
                    *part = w.unpad(&read(gradients, w.offset_bytes, w.size_bytes()).await?);
                }
                Ok(parts)
            }
            Self::Dense { gradients, .. } => {
                let [rows, cols] = shapes[0];
                Ok([read(gradients, 0, 4 * (rows * cols) as u64).await?, Vec::new()])
            }
            Self::Taps { gradients, .. } => {
                let [rows, cols] = shapes[0];
                let padded = cols.next_multiple_of(4);
                let all = read(gradients, 0, 4 * (rows * padded) as u64).await?;
                Ok([all.chunks(padded).flat_map(|row| &row[..cols]).copied().collect(), Vec::new()])
            }
        }
    }
}

fn rowed(buffer: &Buffer, columns: u32) -> Rowed<'_> {
    Rowed { buffer, offset_bytes: 0, columns, stride: columns }
}

/// What the buffers of the gradients of biases are called in errors.
const GRADIENT: &str = "gradient of the biases";

/// The buffer, filled with NaN.
fn nan(gpu: &Gpu, buffer: Buffer) -> Result<Buffer> {
    let words =
        usize::try_from(buffer.size() / 4).map_err(|_| Error::Config("biases beyond the address space".into()))?;
    gpu.write(&buffer, 0, bytemuck::cast_slice(&vec![f32::NAN; words]))?;
    Ok(buffer)
}
