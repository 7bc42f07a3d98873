// Words of `state`, a small buffer with values that change from step to step (nn/train_state.wgsl advances it).
// On the host `ops::nn::train_state::TrainState`.
// reads: state
const STATE_STEP: u32 = 0u;             // the current step, from 0
const STATE_SLOT: u32 = 1u;             // first slot of its batches (lib/batch.wgsl)
const STATE_SEED: u32 = 2u;             // of the run
const STATE_SKIPPED: u32 = 3u;          // steps whose gradient was not finite
const STATE_SKIPPED_IN_A_ROW: u32 = 4u; // skipped steps in a row, up to the last one
const STATE_UPDATES: u32 = 5u;          // steps whose gradient was finite
const STATE_FINITE: u32 = 6u;           // 1 if the gradient of the last closed step was finite
const STATE_LR: u32 = 7u;               // f32: learning rate of the last closed step
const STATE_CLIP: u32 = 8u;             // f32: clipping factor of its gradient
const STATE_CORRECTION1: u32 = 9u;      // f32: 1 - beta1^updates
const STATE_CORRECTION2: u32 = 10u;     // f32: 1 - beta2^updates

fn state_f32(word: u32) -> f32 {
    return bitcast<f32>(state[word]);
}
