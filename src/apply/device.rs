//! Runs a layer on a device.

use super::bias::DeviceBias;
use super::{Gradients, Outcome, Problem};
use crate::error::{Error, Result};
use crate::form::SizedForm;
use crate::gpu::{Gpu, Placement, Plane, Recorder};
use crate::ops::Builder;
use crate::ops::aft::mix::{self, Mix, Mixed};
use crate::ops::aft::{heads, qkv_cols};
use crate::reference::Dims;

impl Problem {
    /// The best storage of planes for a layer that runs alone. This is [`Gpu::placement`], except for AFT-simple, which loads
    /// each element so few times that on Mesa's llvmpipe copies to textures cost more than they gain. (On SwiftShader they pay
    /// off, as they do in a model, whose linear layers load the same planes.)
    pub fn placement(&self, gpu: &Gpu) -> Placement {
        if self.form == SizedForm::Simple && gpu.caps().adapter.name.starts_with("llvmpipe") {
            return Placement::Buffer;
        }
        let Dims { b, t, d } = self.dims;
        gpu.placement((b * t).max(qkv_cols(d as u32) as usize / 4) as u32)
    }

    /// Runs the layer on a device with planes in `placement`. Outputs are filled with NaN before kernels store them.
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

/// The planes of a problem and the program that computes it.
struct Layer {
    program: crate::gpu::Program,
    out: Mixed,
    /// Gradient of the projection: dq, dv and dk by heads, or of the packed plane qkv.
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
        let bias = DeviceBias::new(problem, gpu, placement, problem.dy.is_some())?;
        let saved = match problem.dy {
            Some(_) => Some(mix::Saved {
                centre: unwritten(gpu, batch, channels, placement)?,
                lr: unwritten(gpu, rows, 2 * channels.next_multiple_of(4), placement)?,
            }),
            None => None,
        };
        let out = Mixed { y: unwritten(gpu, rows, channels, placement)?, saved };
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

    /// Reads the outputs. Fails, with the output's name, if padding is not 0, because later kernels rely on it.
    async fn read(&self, problem: &Problem, gpu: &Gpu) -> Result<Outcome<f32>> {
        let d = problem.dims.d;
        let [y] = unpadded(&self.out.y.read_padded(gpu).await?, [("y", d, d.next_multiple_of(4))])?;
        let gradients = match &self.dx {
            Some(dx) => {
                let [dq, dk, dv] = problem.unpacked(&dx.read_padded(gpu).await?)?;
                Some(Gradients { dq, dk, dv, dw: self.bias.gradients(problem, gpu).await? })
            }
            None => None,
        };
        Ok(Outcome { y, gradients })
    }
}

/// Splits rows of side-by-side tensors and removes the padding. `parts` gives each name, its columns, and its padded columns.
fn unpadded<const N: usize>(rows: &[f32], parts: [(&str, usize, usize); N]) -> Result<[Vec<f32>; N]> {
    let width: usize = parts.iter().map(|(.., padded)| padded).sum();
    let mut tensors = [const { Vec::new() }; N];
    for (number, row) in rows.chunks(width).enumerate() {
        let mut from = 0;
        for (tensor, (name, cols, padded)) in tensors.iter_mut().zip(parts) {
            let (values, padding) = row[from..from + padded].split_at(cols);
            if let Some(wrong) = padding.iter().find(|&&value| value != 0.0) {
                return Err(Error::shape(format!("{name}: padding of row {number}"), 0, wrong));
            }
            tensor.extend_from_slice(values);
            from += padded;
        }
    }
    Ok(tensors)
}

/// A plane of NaN, so that elements that a kernel does not store are noticed.
pub(super) fn unwritten(gpu: &Gpu, rows: u32, cols: u32, placement: Placement) -> Result<Plane> {
    let plane = Plane::new(gpu, "output", rows, cols, placement)?;
    plane.fill(gpu, f32::NAN)?;
    Ok(plane)
}

impl Problem {
    /// q, k and v side by side in each row, each aligned to a vec4; for AFT-conv in the order q, v, k.
    pub(super) fn packed(&self) -> Vec<f32> {
        let mut packed = Vec::new();
        for row in 0..self.dims.b * self.dims.t {
            for (values, cols, padded) in self.parts([&self.q, &self.k, &self.v]) {
                packed.extend_from_slice(&values[row * cols..][..cols]);
                packed.extend(std::iter::repeat_n(0.0, padded - cols));
            }
        }
        packed
    }

    /// dq, dk, dv from the padded rows of a plane with this layout.
    fn unpacked(&self, rows: &[f32]) -> Result<[Vec<f32>; 3]> {
        let names = if self.form.is_conv() { ["dq", "dv", "dk"] } else { ["dq", "dk", "dv"] };
        let mut parts = self.parts([&[]; 3]).map(|(_, cols, padded)| ("", cols, padded.next_multiple_of(4)));
        parts.iter_mut().zip(names).for_each(|(part, name)| part.0 = name);
        let mut gradients = unpadded(rows, parts)?;
        if self.form.is_conv() {
            gradients.swap(1, 2);
        }
        Ok(gradients)
    }

    /// The tensors in their order within a row, with their columns and padded columns.
    fn parts<'a>(&self, [q, k, v]: [&'a [f32]; 3]) -> [(&'a [f32], usize, usize); 3] {
        let (d, padded) = (self.dims.d, self.dims.d.next_multiple_of(4));
        if self.form.is_conv() {
            [(q, d, padded), (v, d, padded), (k, self.heads, self.heads)]
        } else {
            [(q, d, padded), (k, d, padded), (v, d, padded)]
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn padding_that_is_not_zero_is_an_error_that_names_the_output() {
        let parts = [("dq", 3, 4), ("dk", 2, 4)];
        let rows = |wrong: f32| [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 0.0, -0.0, 6.0, 7.0, 8.0, 0.0, 9.0, 10.0, 0.0, wrong];
        assert_eq!(
            unpadded(&rows(0.0), parts).unwrap(),
            [vec![1.0, 2.0, 3.0, 6.0, 7.0, 8.0], vec![4.0, 5.0, 9.0, 10.0]]
        );
        for wrong in [f32::NAN, 1e-40] {
            match unpadded(&rows(wrong), parts) {
                Err(Error::Shape { what, .. }) => assert_eq!(what, "dk: padding of row 1"),
                other => panic!("{other:?}"),
            }
        }
    }
}
