//! Writes the results of a layer as a safetensors file.

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::Outcome;
use super::request::Input;
use crate::error::{Error, Result};
use crate::form::{Bias, SizedForm};

impl Input {
    /// The bytes of a file with `y` and, if dy was given, `dq`, `dk`, `dv` and `dw` or `dw_u` and `dw_v`. All are f32, each in
    /// the shape of the input that it belongs to. Without queries, there is no `dq`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the outcome belongs to another layer.
    pub fn answer(&self, outcome: &Outcome<f32>) -> Result<Vec<u8>> {
        let problem = &self.problem;
        let (dims, keys) = (problem.dims, problem.key_dims());
        let [all, keys] = [dims, keys].map(|dims| vec![dims.b, dims.t, dims.d]);
        let mut tensors = vec![("y", all.clone(), outcome.y.clone())];
        if let Some(gradients) = &outcome.gradients {
            if self.queries {
                tensors.push(("dq", all.clone(), gradients.dq.clone()));
            }
            tensors.push(("dk", keys, gradients.dk.clone()));
            tensors.push(("dv", all, gradients.dv.clone()));
            let [first, second] = gradients.dw.clone();
            match (problem.form, &self.w) {
                (SizedForm::Simple, _) => {}
                (_, None) => {
                    let shape = problem.bias_shapes()[0].to_vec();
                    tensors.extend([("dw_u", shape.clone(), first), ("dw_v", shape, second)]);
                }
                (SizedForm::Local(_, Bias::Dense), Some(shape)) => {
                    tensors.push(("dw", shape.clone(), problem.matrix(&first)));
                }
                (_, Some(shape)) => tensors.push(("dw", shape.clone(), first)),
            }
        }
        let wrong = |e: safetensors::SafeTensorError| Error::shape("an outcome", "the shapes of the layer", e);
        let views = tensors.iter().map(|(name, shape, values)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values));
            view.map(|view| (*name, view)).map_err(wrong)
        });
        safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None).map_err(wrong)
    }
}
