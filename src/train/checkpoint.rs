//! A checkpoint: everything that a run needs to resume, except its text.

use serde::{Deserialize, Serialize};

use crate::data::{Text, TextMark};
use crate::error::{Error, Result, expect_count};
use crate::models::container::{Container, Data, Tensor, broken, write};
use crate::models::file::{Header, refuse_unknown, shape, tensor};
use crate::models::language::LanguageConfig;
use crate::nn::Spec;
use crate::ops::nn::train_state::TrainState;
use crate::train::{Plan, TrainConfig};

/// The state of a run between two steps. A run resumed from it ([`super::Trainer::resume`]) gives the same bits as one that was
/// never interrupted.
///
/// The file is a model file with additional content: both AdamW moments as `train.moment1.NAME` and `train.moment2.NAME`, and the
/// [`TrainState`] as `train.state`. The metadata holds the configurations of model and training, the kernel plan, and the
/// training text's length and checksum. The file contains no path, no time and no machine name.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Configuration of the model.
    pub model: LanguageConfig,
    /// Training settings.
    pub train: TrainConfig,
    /// Kernel plan; a resumed run uses the same.
    pub plan: Plan,
    /// Length and checksum of the training text.
    pub text: TextMark,
    pub(crate) state: TrainState,
    /// Weights, first and second moments. Each holds all tensors, unpadded, in the order of the model's parameters.
    pub(crate) tensors: [Vec<Vec<f32>>; 3],
}

/// The header fields that a checkpoint adds to a model file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    config: TrainConfig,
    plan: Plan,
    text: TextMark,
}

/// Name prefixes of weights and of both moments.
const PREFIXES: [&str; 3] = ["", "train.moment1.", "train.moment2."];

const STATE: &str = "train.state";
const STATE_WORDS: usize = size_of::<TrainState>() / 4;

impl Checkpoint {
    /// Steps completed. This exceeds [`TrainConfig::steps`] if the run was advanced further. The batches and random numbers of
    /// the next step depend on it.
    pub fn step(&self) -> u32 {
        self.state.step
    }

    /// Steps skipped because the gradient was not finite.
    pub fn skipped(&self) -> u32 {
        self.state.skipped
    }

    /// Fails unless `text` is the training text. Reads the whole text.
    ///
    /// # Errors
    /// [`Error::Config`] with length and checksum of both; [`Error::Data`].
    pub fn expect_text(&self, text: &dyn Text) -> Result<()> {
        let (before, now) = (self.text, TextMark::of(text)?);
        if before == now {
            return Ok(());
        }
        Err(Error::Config(format!(
            "the run was trained on another text ({before}), not on this one ({now}). Give the text that it began with"
        )))
    }

    /// The checkpoint as bytes of a safetensors file. The bytes depend only on the checkpoint.
    ///
    /// # Errors
    /// [`Error::Shape`] if the tensors do not match [`Checkpoint::model`], because the caller changed it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let specs = self.model.specs()?;
        for values in &self.tensors {
            expect_count("the checkpoint", "tensors", specs.len(), values.len())?;
            for (spec, values) in specs.iter().zip(values) {
                expect_count(&spec.name, "numbers", shape(spec).iter().product(), values.len())?;
            }
        }
        let run = Run { config: self.train.clone(), plan: self.plan, text: self.text };
        let run = serde_json::to_value(run).map_err(|e| broken(e.to_string()))?;
        let words: [u32; STATE_WORDS] = bytemuck::cast(self.state);
        let mut tensors = vec![Tensor { name: STATE.into(), shape: vec![STATE_WORDS], data: Data::U32(&words) }];
        for (prefix, values) in PREFIXES.into_iter().zip(&self.tensors) {
            tensors.extend(specs.iter().zip(values).map(|(spec, values)| tensor(spec, prefix, values)));
        }
        write(&Header { language: self.model.clone(), train: Some(run) }, &tensors)
    }

    /// Reads a checkpoint from the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Format`] if it is not a checkpoint of this crate, or if a part is missing, unknown, of the wrong shape, not
    /// finite or out of range.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let file = Container::read(bytes)?;
        let Header { language: model, train: run } = Header::read(&file)?;
        let run =
            run.ok_or_else(|| broken("a model's file, not a checkpoint: it has no moments to go on from".into()))?;
        if let Some(plan) = run.get("plan").filter(|plan| serde_json::from_value::<Plan>((*plan).clone()).is_err()) {
            let text = "its kernels are shaped by a tuning that this version does not know";
            return Err(broken(format!("{text} ({plan}). Begin a new run with its weights (--init)")));
        }
        let Run { config: train, plan, text } =
            serde_json::from_value(run).map_err(|e| broken(format!("its metadata is broken: {e}")))?;
        train.validate().map_err(|e| broken(e.to_string()))?;
        let specs = model.specs()?;
        refuse_unknown(&file, &specs, true)?;
        let expected = 1 + PREFIXES.len() * specs.len();
        if file.names().len() > expected {
            return Err(broken(format!("more than the {expected} tensors of its model in training")));
        }
        let all = |prefix: &str| {
            let one = |spec: &Spec| file.floats(&format!("{prefix}{}", spec.name), &shape(spec));
            specs.iter().map(one).collect::<Result<Vec<_>>>()
        };
        let tensors = [all(PREFIXES[0])?, all(PREFIXES[1])?, all(PREFIXES[2])?];
        if tensors[2].iter().flatten().any(|&v| v < 0.0) {
            return Err(broken("a second moment is negative".into()));
        }
        let mut words = [0; STATE_WORDS];
        words.copy_from_slice(&file.words(STATE, &[STATE_WORDS])?);
        let state: TrainState = bytemuck::cast(words);
        check_state(&state, &train)?;
        Ok(Self { model, train, plan, text, state, tensors })
    }
}

/// Fails on a state that no run with these settings can reach. A step past the last is allowed: the learning rate stays at its
/// floor.
fn check_state(state: &TrainState, train: &TrainConfig) -> Result<()> {
    let TrainState { step, slot, seed, skipped, skipped_in_a_row, updates, finite, lr, .. } = *state;
    let share = |v: f32| (0.0..=1.0).contains(&v);
    let counts = slot == step.wrapping_mul(train.accumulate)
        && seed == train.device_seed()
        && updates.checked_add(skipped) == Some(step)
        && skipped_in_a_row <= skipped
        && finite <= 1;
    let rates =
        lr >= 0.0 && lr.is_finite() && [state.clip, state.correction1, state.correction2].map(share) == [true; 3];
    if counts && rates {
        return Ok(());
    }
    Err(broken(format!(
        "the state of training is none of this run: {slot} batches in {step} steps, {updates} updates, {skipped} steps skipped, the \
         last {skipped_in_a_row} of them in a row, learning rate {lr}"
    )))
}
