//! Model parameters in pages. A page is a buffer within the granted binding size; tensors are aligned to 256 bytes,
//! padding is zero, tensors with weight decay come first. Gradients and AdamW's moments have pages of the same layout.

use std::ops::Range;

use crate::error::{Error, Result, expect_count};
use crate::gpu::{ALIGN_BYTES, Buffer, Gpu, Page, Placement, Program, Weights};
use crate::ops::Gradient;
use crate::random::normal_pair;

/// Initial values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Normally distributed with mean 0 and this standard deviation.
    Normal(f32),
}

/// A named tensor [rows, cols].
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name in checkpoints.
    pub name: String,
    /// Rows; 1 for a vector.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
    /// Whether AdamW's weight decay applies.
    pub decay: bool,
    /// Initial values.
    pub init: Init,
}

/// Id of a declared tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterId(usize);

/// Declared tensors of a model, still without memory. Tensors declared in one call share a page.
#[derive(Debug, Default)]
pub struct Declarations {
    groups: Vec<Vec<Spec>>,
}

impl Declarations {
    /// Declares tensors that share a page, because one kernel writes their gradients.
    pub fn together<const N: usize>(&mut self, specs: [Spec; N]) -> [ParameterId; N] {
        let first = self.count();
        self.groups.push(specs.into());
        std::array::from_fn(|i| ParameterId(first + i))
    }

    /// All tensors, in order of declaration.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.groups.iter().flatten()
    }

    fn count(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }
}

/// A page of parameters; for training, with gradients and moments.
#[derive(Debug)]
pub struct ParameterPage {
    /// The parameters.
    pub param: Page,
    /// Gradients and AdamW's first and second moments.
    pub training: Option<[Buffer; 3]>,
    /// vec4s that hold tensors, padding included.
    pub vec4s: u32,
    /// vec4s of tensors with weight decay, which come first.
    pub decayed: u32,
}

/// The tensors of a model in their pages.
#[derive(Debug)]
pub struct Parameters {
    specs: Vec<Spec>,
    places: Vec<(usize, u64)>,
    pages: Vec<ParameterPage>,
}

/// Placement of tensors: page and byte offset of each tensor; bytes of each page and of its decaying part.
struct Layout {
    places: Vec<(usize, u64)>,
    pages: Vec<(u64, u64)>,
}

impl Parameters {
    /// Allocates the declared tensors and initialises them from `seed`; without a seed they are 0.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if tensors that must share a page do not fit one.
    pub fn new(
        gpu: &Gpu,
        declared: &Declarations,
        placement: Placement,
        training: bool,
        seed: Option<u64>,
    ) -> Result<Self> {
        let limits = &gpu.caps().limits;
        let page_bytes = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        let layout = layout(declared, page_bytes)?;
        let pages = layout.pages.iter().map(|&(bytes, decayed)| {
            let buffer = |label| gpu.storage(label, bytes);
            let training = match training {
                true => Some([buffer("gradients")?, buffer("first moments")?, buffer("second moments")?]),
                false => None,
            };
            let param = Page::new(gpu, "parameters", bytes, placement)?;
            Ok(ParameterPage { param, training, vec4s: (bytes / 16) as u32, decayed: (decayed / 16) as u32 })
        });
        let pages = pages.collect::<Result<_>>()?;
        let all = Self { specs: declared.specs().cloned().collect(), places: layout.places, pages };
        if let Some(seed) = seed {
            for i in 0..all.specs.len() {
                all.write(gpu, ParameterId(i), &all.specs[i].start(seed, i as u32))?;
            }
            all.refresh(gpu);
        }
        Ok(all)
    }

    /// Specifications of the tensors, in order of their ids.
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// The pages.
    pub fn pages(&self) -> &[ParameterPage] {
        &self.pages
    }

    /// Whether the parameters have gradients and moments.
    pub fn trains(&self) -> bool {
        self.pages.iter().any(|page| page.training.is_some())
    }

    /// A tensor as an operand of operations.
    pub fn weights(&self, id: ParameterId) -> Weights {
        let ((page, offset), spec) = (self.places[id.0], &self.specs[id.0]);
        self.pages[page].param.tensor(offset, spec.rows, spec.cols)
    }

    /// Gradient of a tensor and of an optional second one declared together with it.
    ///
    /// # Errors
    /// [`Error::Config`] if the parameters were made without gradients.
    pub fn gradient(&self, first: ParameterId, second: Option<ParameterId>, accumulate: bool) -> Result<Gradient> {
        let Some([gradients, ..]) = &self.pages[self.places[first.0].0].training else {
            return Err(for_inference());
        };
        let second = second.map(|id| self.weights(id));
        Gradient::of(gradients, &self.weights(first), second.as_ref(), accumulate)
    }

    /// Finds a tensor by name.
    pub fn find(&self, name: &str) -> Option<ParameterId> {
        self.specs.iter().position(|s| s.name == name).map(ParameterId)
    }

    /// Overwrites a tensor with `data` [rows, cols], unpadded. Call [`Parameters::refresh`] afterwards.
    ///
    /// # Errors
    /// [`Error::Shape`] if `data` has another length.
    pub fn write(&self, gpu: &Gpu, id: ParameterId, data: &[f32]) -> Result<()> {
        let spec = &self.specs[id.0];
        expect_count(&spec.name, "numbers", (spec.rows * spec.cols) as usize, data.len())?;
        let weights = self.weights(id);
        gpu.write(&weights.page, weights.offset_bytes, bytemuck::cast_slice(&weights.pad(data)?))
    }

    /// Overwrites every tensor with `data`, unpadded, in order of their ids, and refreshes texture copies.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of tensors, or the length of one, differs.
    pub fn write_all(&self, gpu: &Gpu, data: &[Vec<f32>]) -> Result<()> {
        expect_count("the model", "tensors", self.specs.len(), data.len())?;
        data.iter().enumerate().try_for_each(|(i, values)| self.write(gpu, ParameterId(i), values))?;
        self.refresh(gpu);
        Ok(())
    }

    /// Overwrites AdamW's moments of every tensor, in the form of [`Parameters::moments`].
    ///
    /// # Errors
    /// As [`Parameters::write_all`]; [`Error::Config`] if the parameters were made without moments.
    pub fn write_moments(&self, gpu: &Gpu, moments: [&[Vec<f32>]; 2]) -> Result<()> {
        for (which, data) in moments.into_iter().enumerate() {
            expect_count("moments of the model", "tensors", self.specs.len(), data.len())?;
            for (i, values) in data.iter().enumerate() {
                let (weights, page) = (self.weights(ParameterId(i)), &self.pages[self.places[i].0]);
                let training = page.training.as_ref().ok_or_else(for_inference)?;
                let padded = weights.pad(values)?;
                gpu.write(&training[1 + which], weights.offset_bytes, bytemuck::cast_slice(&padded))?;
            }
        }
        Ok(())
    }

    /// Updates the texture copies of all pages after [`Parameters::write`], and submits these copies, if there are any.
    pub fn refresh(&self, gpu: &Gpu) {
        let mut program = Program::default();
        self.pages.iter().filter_map(|p| p.param.refresh()).for_each(|command| program.push(command));
        if program.commands().is_empty() {
            return;
        }
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        program.record(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
    }

    /// Reads every tensor, unpadded, in order of their ids.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the device was lost.
    pub async fn read(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        self.read_from(gpu, |page| Some(&page.param.buffer)).await
    }

    /// Reads the gradient of every tensor, unpadded, in order of their ids; empty if there are none.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub async fn gradients(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        self.read_from(gpu, |page| page.training.as_ref().map(|[gradients, ..]| gradients)).await
    }

    /// Reads both AdamW moments of every tensor, unpadded, in order of their ids; empty if there are none.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub async fn moments(&self, gpu: &Gpu) -> Result<[Vec<Vec<f32>>; 2]> {
        let first = self.read_from(gpu, |page| page.training.as_ref().map(|[_, first, _]| first)).await?;
        let second = self.read_from(gpu, |page| page.training.as_ref().map(|[.., second]| second)).await?;
        Ok([first, second])
    }

    /// Name of the first tensor with a non-finite value, else of the last (nearest to the loss) with a non-finite
    /// gradient.
    ///
    /// # Errors
    /// As [`Parameters::read`].
    pub async fn first_not_finite(&self, gpu: &Gpu) -> Result<Option<String>> {
        let bad = |values: &Vec<f32>| values.iter().any(|v| !v.is_finite());
        let values = self.read(gpu).await?.iter().position(bad);
        let index = match values {
            Some(index) => Some(index),
            None => self.gradients(gpu).await?.iter().rposition(bad),
        };
        Ok(index.map(|i| self.specs[i].name.clone()))
    }

    async fn read_from(&self, gpu: &Gpu, page: impl Fn(&ParameterPage) -> Option<&Buffer>) -> Result<Vec<Vec<f32>>> {
        let mut pages = Vec::new();
        for p in &self.pages {
            pages.push(match page(p) {
                Some(buffer) => gpu.read::<f32>(buffer, 0, 16 * u64::from(p.vec4s)).await?,
                None => Vec::new(),
            });
        }
        let read = |i: usize| {
            let (weights, (page, offset)) = (self.weights(ParameterId(i)), self.places[i]);
            let range = floats(offset, weights.size_bytes());
            weights.unpad(pages[page].get(range).unwrap_or_default())
        };
        Ok((0..self.specs.len()).map(read).collect())
    }
}

fn for_inference() -> Error {
    Error::Config("these parameters were made for inference and have neither gradients nor moments".into())
}

fn floats(offset_bytes: u64, bytes: u64) -> Range<usize> {
    (offset_bytes / 4) as usize..((offset_bytes + bytes) / 4) as usize
}

impl Spec {
    fn bytes(&self) -> u64 {
        Weights::padded_bytes(self.rows, self.cols).next_multiple_of(ALIGN_BYTES)
    }

    /// Initial values. Random counters are the seed, the tensor's number and the element's pair.
    fn start(&self, seed: u64, tensor: u32) -> Vec<f32> {
        let count = self.rows as usize * self.cols as usize;
        let std = match self.init {
            Init::Zeros => return vec![0.0; count],
            Init::Ones => return vec![1.0; count],
            Init::Normal(std) => f64::from(std),
        };
        let pair = |i: usize| normal_pair([seed as u32, (seed >> 32) as u32, tensor, i as u32]);
        (0..count.div_ceil(2)).flat_map(pair).take(count).map(|v| (std * v) as f32).collect()
    }
}

/// Fills pages group by group; inside a page, tensors with weight decay come first.
fn layout(declared: &Declarations, page_bytes: u64) -> Result<Layout> {
    let mut pages: Vec<Vec<usize>> = Vec::new();
    let specs: Vec<_> = declared.specs().collect();
    let bytes = |indices: &[usize]| indices.iter().map(|&i| specs[i].bytes()).sum::<u64>();
    let mut next = 0;
    for group in &declared.groups {
        let indices: Vec<_> = (next..next + group.len()).collect();
        next += group.len();
        let needed = bytes(&indices);
        if needed > page_bytes {
            return Err(Error::LimitExceeded {
                what: format!("the parameter {} (bytes)", group[0].name),
                limit: "max_storage_buffer_binding_size",
                needed,
                granted: page_bytes,
                advice: "a smaller dimension or length".into(),
            });
        }
        match pages.last_mut() {
            Some(page) if bytes(page) + needed <= page_bytes => page.extend(indices),
            _ => pages.push(indices),
        }
    }
    let mut out = Layout { places: vec![(0, 0); specs.len()], pages: Vec::new() };
    for (number, page) in pages.iter().enumerate() {
        let (decaying, other): (Vec<_>, Vec<_>) = page.iter().partition(|&&i| specs[i].decay);
        let mut offset = 0;
        for &&i in decaying.iter().chain(&other) {
            out.places[i] = (number, offset);
            offset += specs[i].bytes();
        }
        out.pages.push((offset, decaying.iter().map(|&&i| specs[i].bytes()).sum()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn spec(name: &str, rows: u32, cols: u32, decay: bool) -> Spec {
        Spec { name: name.into(), rows, cols, decay, init: Init::Normal(1.0) }
    }

    #[test]
    fn decaying_tensors_lie_first_and_groups_share_a_page() {
        let mut declared = Declarations::default();
        declared.together([spec("a.bias", 1, 3, false), spec("a.other", 1, 100, false)]);
        declared.together([spec("b.weight", 5, 9, true), spec("b.bias", 1, 9, false)]);
        let one = layout(&declared, 1 << 20).unwrap();
        // b.weight: 8 rows of 3 vec4s = 384 bytes, aligned to 512; a.bias 256; a.other 512; b.bias 256.
        assert_eq!(one.places, [(0, 512), (0, 768), (0, 0), (0, 1280)]);
        assert_eq!(one.pages, [(1536, 512)]);
        let two = layout(&declared, 800).unwrap();
        assert_eq!(two.places, [(0, 0), (0, 256), (1, 0), (1, 512)]);
        assert!(layout(&declared, 700).is_err());
    }

    #[test]
    fn a_start_depends_on_seed_and_tensor_alone() {
        let s = spec("x", 3, 5, true);
        assert_eq!(s.start(1, 0), s.start(1, 0));
        assert_ne!(s.start(1, 0), s.start(2, 0));
        assert_ne!(s.start(1, 0), s.start(1 << 32 | 1, 0));
        assert_ne!(s.start(1, 0), s.start(1, 1));
    }
}
