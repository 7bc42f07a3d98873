//! Reads a layer from a safetensors file: checks which tensors it has, and their shapes.

use super::Problem;
use super::tensors::{Tensors, broken};
use crate::error::{Error, Result};
use crate::form::{Bias, Form, SizedForm};
use crate::reference::Dims;

/// Settings of a layer that are not in its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The form of AFT.
    pub variant: Form,
    /// Whether row t reads only keys t' <= t.
    pub causal: bool,
    /// The window s of AFT-local; T or more covers everything.
    pub window: Option<usize>,
    /// Rows and columns of the image grid of 2-D AFT-conv.
    pub grid: Option<[usize; 2]>,
    /// Whether the output is gated by sigmoid(q).
    pub gated: bool,
}

/// A layer read from a file.
#[derive(Debug, Clone)]
pub struct Input {
    /// The layer.
    pub problem: Problem,
    /// Whether the file has queries. A layer without a gate does not need them.
    pub(super) queries: bool,
    /// Shape of `w` in the file, if it is there.
    pub(super) w: Option<Vec<usize>>,
}

/// Names of the tensors that a form may read.
fn reads(form: Form) -> &'static [&'static str] {
    match form {
        Form::Simple => &["q", "k", "v", "mask", "dy"],
        Form::Full | Form::Local => &["q", "k", "v", "w", "w_u", "w_v", "mask", "dy"],
        Form::Conv1d | Form::Conv2d => &["q", "k", "v", "w", "mask", "dy"],
    }
}

impl Request {
    /// Fails if the settings do not fit the form.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn check(&self) -> Result<()> {
        let variant = self.variant;
        let refuse = |text: String| Err(Error::Config(text));
        match (self.variant, self.window) {
            (Form::Local, None) => return refuse("variant local needs a window (--window)".into()),
            (Form::Conv1d | Form::Conv2d, Some(_)) => {
                return refuse(format!("variant {variant} takes its window from w: no --window"));
            }
            (Form::Simple | Form::Full, Some(_)) => {
                return refuse(format!("variant {variant} has no window (--window)"));
            }
            _ => {}
        }
        match (self.variant, self.grid) {
            (Form::Conv2d, None) => refuse("variant conv2d needs a grid (--grid ROWSxCOLS)".into()),
            (Form::Conv2d, Some([rows, columns])) if rows == 0 || columns == 0 => {
                refuse(format!("a grid has rows and columns, not {rows}x{columns}"))
            }
            (Form::Simple | Form::Full | Form::Local | Form::Conv1d, Some(_)) => {
                refuse(format!("variant {variant} has no grid (--grid)"))
            }
            _ => Ok(()),
        }
    }

    /// Reads the layer from the bytes of a file. Values are not checked: NaN and infinity are allowed.
    ///
    /// # Errors
    /// As [`Request::check`]; [`Error::Format`] if a tensor is missing, unknown, or has a type or shape that does not fit the
    /// others.
    pub fn read(&self, bytes: &[u8]) -> Result<Input> {
        self.check()?;
        let tensors = Tensors::read(bytes)?;
        tensors.check_names(self.variant.name(), reads(self.variant))?;
        let [b, t, d] = tensors.shape("v", "[B, T, D]")?;
        let dims = Dims { b, t, d };
        self.check_sizes(dims)?;
        let all = [("B", b), ("T", t), ("D", d)];
        let v = tensors.floats("v", &all)?;
        let heads = if self.variant.is_conv() { tensors.heads(dims)? } else { 1 };
        let keys = if self.variant.is_conv() { [all[0], all[1], ("H", heads)] } else { all };
        let k = tensors.floats("k", &keys)?;
        let queries = self.gated || tensors.has("q");
        let q = if queries { tensors.floats("q", &all)? } else { vec![0.0; dims.size()] };
        let dy = tensors.has("dy").then(|| tensors.floats("dy", &all)).transpose()?;
        let mask = tensors.has("mask").then(|| tensors.mask(b, t)).transpose()?;
        let Biases { form, values, shape } = self.biases(&tensors, t, heads)?;
        let Request { causal, gated, .. } = *self;
        let mut problem = Problem { dims, heads, form, causal, gated, q, k, v, w: values, mask, dy };
        if let SizedForm::Local(_, Bias::Dense) = form {
            problem.w[0] = problem.band(&problem.w[0]);
        }
        problem.check().map_err(|error| broken(error.to_string()))?;
        Ok(Input { problem, queries, w: shape })
    }

    fn check_sizes(&self, Dims { b, t, d }: Dims) -> Result<()> {
        if b == 0 || t == 0 || d == 0 {
            return Err(broken(format!("the tensor v is [{b}, {t}, {d}]: a layer has at least one element")));
        }
        match self.grid {
            Some([rows, columns]) if rows.checked_mul(columns) != Some(t) => Err(broken(format!(
                "the tensor v has T = {t} positions, a grid of {rows}x{columns} has another number"
            ))),
            _ => Ok(()),
        }
    }

    fn biases(&self, tensors: &Tensors<'_>, t: usize, heads: usize) -> Result<Biases> {
        let window = self.window.map_or(t, |window| window.min(t));
        let by_pairs = |bias: Bias| self.variant.sized(window, bias, t);
        let (form, shape) = match self.variant {
            Form::Simple => return Ok(Biases { form: SizedForm::Simple, values: Default::default(), shape: None }),
            Form::Full | Form::Local if tensors.has("w_u") || tensors.has("w_v") => {
                if tensors.has("w") {
                    return Err(broken("the tensors w and w_u are both there: biases are one or the other".into()));
                }
                let [_, rank] = tensors.shape("w_u", "[T, R]")?;
                if rank == 0 {
                    return Err(broken(format!("the tensor w_u is [{t}, 0]: factors have at least one column")));
                }
                let factor = |name| tensors.floats(name, &[("T", t), ("R", rank)]);
                let values = [factor("w_u")?, factor("w_v")?];
                return Ok(Biases { form: by_pairs(Bias::Factors(rank)), values, shape: None });
            }
            Form::Full | Form::Local => (by_pairs(Bias::Dense), vec![("T", t), ("T", t)]),
            Form::Conv1d => {
                let [_, size] = tensors.shape("w", "[H, S]")?;
                (SizedForm::Conv1d(size), vec![("H", heads), ("S", size)])
            }
            Form::Conv2d => {
                let [_, size, _] = tensors.shape("w", "[H, S, S]")?;
                let columns = self.grid.map_or(t, |[_, columns]| columns);
                (SizedForm::Conv2d(size, columns), vec![("H", heads), ("S", size), ("S", size)])
            }
        };
        let values = [tensors.floats("w", &shape)?, Vec::new()];
        Ok(Biases { form, values, shape: Some(shape.iter().map(|(_, size)| *size).collect()) })
    }
}

/// The biases of a file.
struct Biases {
    form: SizedForm,
    values: [Vec<f32>; 2],
    shape: Option<Vec<usize>>,
}

impl Problem {
    /// The band of a [T, T] matrix that AFT-local reads. Entries outside of the sequence are 0.
    fn band(&self, matrix: &[f32]) -> Vec<f32> {
        let layout = self.layout();
        let mut band = vec![0.0; layout.size()];
        for_band(self, |entry, pair| band[entry] = matrix[pair]);
        band
    }

    /// The inverse: a [T, T] matrix that is 0 outside of the band.
    pub(super) fn matrix(&self, band: &[f32]) -> Vec<f32> {
        let mut matrix = vec![0.0; self.dims.t * self.dims.t];
        for_band(self, |entry, pair| matrix[pair] = band[entry]);
        matrix
    }
}

/// Calls `each` with the index of every band entry inside the matrix, and its index in the [T, T] matrix.
fn for_band(problem: &Problem, mut each: impl FnMut(usize, usize)) {
    let (layout, t_count) = (problem.layout(), problem.dims.t);
    let (before, after) = layout.reach();
    for t in 0..t_count {
        for key in t.saturating_sub(before)..(t + after + 1).min(t_count) {
            if let Some(entry) = layout.entry(0, t, key) {
                each(entry, t * t_count + key);
            }
        }
    }
}
