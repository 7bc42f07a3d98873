//! Shared by the tests of training kernels: a ring of batches with its state, and buffers whose ends are watched.

use aft_wgpu::gpu::{Buffer, Gpu};
use aft_wgpu::ops::nn::batch::{Batch, BatchLayout};
use aft_wgpu::ops::nn::train_state::TrainState;
use aft_wgpu::random::below;

/// `len` numbers below `bound`.
pub fn whole(seed: u32, len: usize, bound: u32) -> Vec<u32> {
    (0..len).map(|i| below([seed, 8, i as u32, 0], bound.into()) as u32).collect()
}

/// A ring of three slots of which the training state chooses the last; the others hold another batch.
pub struct Ring {
    layout: BatchLayout,
    data: Buffer,
    pub state: Buffer,
}

impl Ring {
    pub fn new(gpu: &Gpu, vocabulary: u32, tokens: &[u32], targets: &[u32]) -> Self {
        let layout = BatchLayout { rows: tokens.len() as u32, vocabulary };
        let decoy = vec![vocabulary - 1; tokens.len()];
        let mut words = layout.pack(&decoy, &decoy).unwrap().repeat(2);
        words.extend(layout.pack(tokens, targets).unwrap());
        let data = gpu.upload("ring", &words).unwrap();
        let state = gpu.upload("state", &[TrainState { slot: 4, ..TrainState::new(9) }]).unwrap();
        Self { layout, data, state }
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch { layout: self.layout, data: &self.data, slots: 3, state: &self.state, micro: 1 }
    }
}

const CANARY: f32 = 12_345.5;
const CANARIES: usize = 64;

/// A buffer of floats with canary words behind them.
pub struct Floats {
    pub buffer: Buffer,
    len: usize,
}

impl Floats {
    pub fn new(gpu: &Gpu, values: &[f32]) -> Self {
        let all = [values, &[CANARY; CANARIES]].concat();
        Self { buffer: gpu.upload("floats", &all).unwrap(), len: values.len() }
    }

    /// Reads the floats; checks the canaries.
    pub fn read(&self, gpu: &Gpu) -> Vec<f32> {
        let mut all: Vec<f32> =
            pollster::block_on(gpu.read(&self.buffer, 0, 4 * (self.len + CANARIES) as u64)).unwrap();
        assert!(all[self.len..].iter().all(|&v| v == CANARY), "a store behind {} floats", self.len);
        all.truncate(self.len);
        all
    }
}
