//! Access to the tensors of a file by name. Errors name the tensor that is missing, misshapen or unknown.

use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::reference::Dims;

/// The tensors of a file by name.
pub(super) struct Tensors<'a> {
    file: SafeTensors<'a>,
}

/// The axes of a shape: letter and size.
pub(super) type Shape<'a> = [(&'a str, usize)];

impl<'a> Tensors<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| broken(format!("not a safetensors file: {e}")))?;
        Ok(Self { file })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_ok()
    }

    /// # Errors
    /// [`Error::Format`] for a tensor that `variant` does not read.
    pub(super) fn check_names(&self, variant: &str, reads: &[&str]) -> Result<()> {
        let mut names = self.file.names();
        names.sort_unstable();
        match names.into_iter().find(|name| !reads.contains(name)) {
            Some(name) => {
                let shape = self.file.tensor(name).map(|view| view.shape().to_vec()).unwrap_or_default();
                let reads = reads.join(", ");
                Err(broken(format!("the tensor {name} {shape:?} is unknown: variant {variant} reads {reads}")))
            }
            None => Ok(()),
        }
    }

    fn view(&self, name: &str, expected: &str) -> Result<safetensors::tensor::TensorView<'_>> {
        self.file.tensor(name).map_err(|_| {
            let mut names = self.file.names();
            names.sort_unstable();
            let found = if names.is_empty() { "no tensor".into() } else { names.join(", ") };
            broken(format!("the tensor {name} is missing: expected {expected}, found {found}"))
        })
    }

    /// The shape of an f32 tensor with N dimensions.
    pub(super) fn shape<const N: usize>(&self, name: &str, letters: &str) -> Result<[usize; N]> {
        let expected = format!("F32 {letters}");
        let view = self.view(name, &expected)?;
        match <[usize; N]>::try_from(view.shape()) {
            Ok(shape) if view.dtype() == Dtype::F32 => Ok(shape),
            _ => Err(misshapen(name, &expected, view.dtype(), view.shape())),
        }
    }

    /// H, taken from the keys [B, T, H].
    pub(super) fn heads(&self, dims: Dims) -> Result<usize> {
        let [_, _, heads] = self.shape("k", "[B, T, H]")?;
        if heads == 0 || !dims.d.is_multiple_of(heads) {
            let expected = format!("a number H of heads that divides D = {}", dims.d);
            return Err(broken(format!("the tensor k has {heads} columns, expected {expected}")));
        }
        Ok(heads)
    }

    /// Values of an f32 tensor.
    pub(super) fn floats(&self, name: &str, shape: &Shape<'_>) -> Result<Vec<f32>> {
        self.data(name, &[Dtype::F32], shape).map(bytemuck::pod_collect_to_vec)
    }

    /// The mask: true where there is a key.
    pub(super) fn mask(&self, b: usize, t: usize) -> Result<Vec<bool>> {
        let words = self.data("mask", &[Dtype::U8, Dtype::BOOL], &[("B", b), ("T", t)])?;
        match words.iter().position(|word| *word > 1) {
            Some(i) => Err(broken(format!("the tensor mask is {} at element {i}, expected 0 or 1", words[i]))),
            None => Ok(words.iter().map(|word| *word == 1).collect()),
        }
    }

    /// The bytes of a tensor of one of `types`; errors name the first type.
    fn data(&self, name: &str, types: &[Dtype], shape: &Shape<'_>) -> Result<&[u8]> {
        let letters: Vec<_> = shape.iter().map(|(letter, size)| format!("{letter} = {size}")).collect();
        let expected = format!("{:?} [{}]", types[0], letters.join(", "));
        let view = self.view(name, &expected)?;
        let fits = types.contains(&view.dtype()) && view.shape().iter().eq(shape.iter().map(|(_, size)| size));
        if fits { Ok(view.data()) } else { Err(misshapen(name, &expected, view.dtype(), view.shape())) }
    }
}

fn misshapen(name: &str, expected: &str, dtype: Dtype, shape: &[usize]) -> Error {
    broken(format!("the tensor {name} is {dtype:?} {shape:?}, expected {expected}"))
}

/// An error about the content of a file; the caller adds the path.
pub(super) fn broken(message: String) -> Error {
    Error::Format { path: "input".into(), message }
}
