//! Position biases of a layer on a device.

use super::Problem;
use crate::error::{Error, Result};
use crate::form::SizedForm;
use crate::gpu::{Buffer, Command, Gpu, Page, Placement, Weights};
use crate::ops::Gradient;
use crate::ops::aft::biases::{BiasGradient, Biases};
use crate::ops::aft::dense::Rowed;
use crate::ops::aft::taps::Taps;

/// The biases of a problem on the device, with room for their gradients if needed.
pub(crate) enum DeviceBias {
    None,
    Factors { factors: Box<[Weights; 2]>, gradients: Option<(Buffer, Gradient)> },
    Dense { w: Buffer, gradients: Option<Buffer>, columns: u32 },
    Taps { values: Buffer, gradients: Option<(Buffer, Gradient)> },
}

impl DeviceBias {
    /// Uploads the parameters; allocates their gradients if `wanted`.
    pub(crate) fn new(problem: &Problem, gpu: &Gpu, placement: Placement, wanted: bool) -> Result<Self> {
        let [shape, _] = problem.bias_shapes();
        let [rows, cols] = shape.map(|n| n as u32);
        match problem.form {
            SizedForm::Simple | SizedForm::Local(0, _) => Ok(Self::None),
            SizedForm::Full(_) | SizedForm::Local(..) if problem.rank().is_some() => {
                let bytes = Weights::padded_bytes(rows, cols).next_multiple_of(256);
                let page = Page::new(gpu, "factors", 2 * bytes, placement)?;
                let [u, v] = [0, bytes].map(|offset| page.tensor(offset, rows, cols));
                for (weights, data) in [&u, &v].into_iter().zip(&problem.w) {
                    gpu.write(&page.buffer, weights.offset_bytes, bytemuck::cast_slice(&weights.pad(data)?))?;
                }
                page.submit_refresh(gpu);
                let gradients = wanted.then(|| {
                    let buffer = nan(gpu, gpu.storage(GRADIENT, 2 * bytes)?)?;
                    let target = Gradient::of(&buffer, &u, Some(&v), false)?;
                    Ok::<_, Error>((buffer, target))
                });
                Ok(Self::Factors { gradients: gradients.transpose()?, factors: Box::new([u, v]) })
            }
            SizedForm::Full(_) | SizedForm::Local(..) => {
                // Kernels access the matrix in slices of rows.
                let w = gpu.sliced("biases", 4 * u64::from(rows) * u64::from(cols))?;
                gpu.write(&w, 0, bytemuck::cast_slice(&problem.w[0]))?;
                let gradients = wanted.then(|| nan(gpu, gpu.sliced(GRADIENT, w.size())?)).transpose()?;
                Ok(Self::Dense { w, gradients, columns: cols })
            }
            SizedForm::Conv1d(_) | SizedForm::Conv2d(..) => {
                let padded = cols.next_multiple_of(4) as usize;
                let mut values = vec![0.0; padded * rows as usize];
                for (to, from) in values.chunks_mut(padded).zip(problem.w[0].chunks(cols as usize)) {
                    to[..from.len()].copy_from_slice(from);
                }
                let values = gpu.upload("taps", &values)?;
                let gradients = wanted.then(|| {
                    let buffer = nan(gpu, gpu.storage(GRADIENT, values.size())?)?;
                    let target = Gradient::whole(&buffer, rows * cols.div_ceil(4));
                    Ok::<_, Error>((buffer, target))
                });
                Ok(Self::Taps { gradients: gradients.transpose()?, values })
            }
        }
    }

    /// The biases as an operand of kernels.
    pub(crate) fn biases<'a>(&'a self, problem: &Problem) -> Biases<'a> {
        match (self, problem.form) {
            (Self::Factors { factors, .. }, form) => {
                let window = if let SizedForm::Local(window, _) = form { window as u32 } else { u32::MAX };
                Biases::Factors { u: &factors[0], v: &factors[1], window }
            }
            (Self::Dense { w, columns, .. }, SizedForm::Local(window, _)) => {
                Biases::Band { w: rowed(w, *columns), window: window as u32 }
            }
            (Self::Dense { w, columns, .. }, _) => Biases::Full(rowed(w, *columns)),
            (Self::Taps { values, .. }, form) => {
                let (size, grid) = match form {
                    SizedForm::Conv2d(size, columns) => (size, Some(columns as u32)),
                    SizedForm::Conv1d(size) => (size, None),
                    _ => (1, None),
                };
                Biases::Taps(Taps { values, heads: problem.heads as u32, size: size as u32, grid })
            }
            (Self::None, _) => Biases::None,
        }
    }

    /// The command that updates the kernels' copy after a write; none if there is no copy.
    pub(crate) fn refresh(&self) -> Option<Command> {
        match self {
            Self::Factors { factors, .. } => factors[0].refresh(),
            Self::None | Self::Dense { .. } | Self::Taps { .. } => None,
        }
    }

    /// Bytes of the parameters on the device.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Factors { factors, .. } => {
                let page = factors[0].page.size();
                if factors[0].mirror.is_some() { 2 * page } else { page }
            }
            Self::Dense { w: values, .. } | Self::Taps { values, .. } => values.size(),
        }
    }

    /// Bytes of their gradients on the device.
    pub(crate) fn gradient_bytes(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Factors { gradients, .. } | Self::Taps { gradients, .. } => {
                gradients.as_ref().map_or(0, |(buffer, _)| buffer.size())
            }
            Self::Dense { gradients, .. } => gradients.as_ref().map_or(0, |buffer| buffer.size()),
        }
    }

    /// Where kernels store the gradients, if they are allocated.
    pub(crate) fn target(&self) -> Option<BiasGradient<'_>> {
        match self {
            Self::None => None,
            Self::Factors { gradients, .. } => gradients.as_ref().map(|(_, target)| BiasGradient::Factors(target)),
            Self::Dense { gradients, columns, .. } => {
                gradients.as_ref().map(|buffer| BiasGradient::Dense(rowed(buffer, *columns), false))
            }
            Self::Taps { gradients, .. } => gradients.as_ref().map(|(_, target)| BiasGradient::Taps(target)),
        }
    }

    /// Reads back the gradients, as both parts of the problem's `w`.
    pub(crate) async fn gradients(&self, problem: &Problem, gpu: &Gpu) -> Result<[Vec<f32>; 2]> {
        let shapes = problem.bias_shapes();
        let read = async |buffer: &Buffer, from: u64, bytes: u64| gpu.read::<f32>(buffer, from, bytes).await;
        match self {
            // A window of 0 reads no bias: its gradient is 0.
            Self::None => Ok(shapes.map(|[rows, cols]| vec![0.0; rows * cols])),
            Self::Factors { factors, gradients: Some((gradients, _)) } => {
                let mut parts = [Vec::new(), Vec::new()];
                for (part, w) in parts.iter_mut().zip(factors.iter()) {
                    *part = w.unpad(&read(gradients, w.offset_bytes, w.size_bytes()).await?);
                }
                Ok(parts)
            }
            Self::Dense { gradients: Some(gradients), .. } => {
                let [rows, cols] = shapes[0];
                Ok([read(gradients, 0, 4 * (rows * cols) as u64).await?, Vec::new()])
            }
            Self::Taps { gradients: Some((gradients, _)), .. } => {
                let [rows, cols] = shapes[0];
                let padded = cols.next_multiple_of(4);
                let all = read(gradients, 0, 4 * (rows * padded) as u64).await?;
                Ok([all.chunks(padded).flat_map(|row| &row[..cols]).copied().collect(), Vec::new()])
            }
            Self::Factors { .. } | Self::Dense { .. } | Self::Taps { .. } => {
                Err(Error::Config("a gradient of biases that was not asked for".into()))
            }
        }
    }
}

fn rowed(buffer: &Buffer, columns: u32) -> Rowed<'_> {
    Rowed { buffer, offset_bytes: 0, columns, stride: columns }
}

/// Name of the gradient buffers in errors.
const GRADIENT: &str = "gradient of the biases";

/// Fills a buffer with NaN.
fn nan(gpu: &Gpu, buffer: Buffer) -> Result<Buffer> {
    let words =
        usize::try_from(buffer.size() / 4).map_err(|_| Error::Config("biases beyond the address space".into()))?;
    gpu.write(&buffer, 0, bytemuck::cast_slice(&vec![f32::NAN; words]))?;
    Ok(buffer)
}
