// First word of the current batch in `data`, a ring of slots of `slot_len` words each:
//   tokens [M], targets [M], order [M] (rows by token), starts [V + 1] (first place of each token in order).
// On the host `ops::nn::batch::BatchLayout`. A step of several micro-batches uses one slot for each.
// reads: STATE_SLOT, params.micro, params.slot_len, params.slots, state
fn batch_start() -> u32 {
    return (state[STATE_SLOT] + params.micro) % params.slots * params.slot_len;
}
