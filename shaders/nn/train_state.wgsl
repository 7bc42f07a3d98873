// Closes a step: norm, mean loss, clipping, learning rate, bias corrections, and the state for the next step.
//   norm = sqrt(sum partials),  loss = loss_scale sum losses,  clip = min(1, max_norm / norm)
//   lr = peak (step + 1) / warmup while step < warmup, then floor + (peak - floor) (1 + cos(pi p)) / 2
//   with p = (step - warmup) / (steps - warmup), at most 1
//   correction += (1 - correction) (1 - beta), which is 1 - beta^updates without cancellation
//
// A step with a norm that is not finite is skipped: step and slot advance, corrections and updates do not change.
//
// Operands: partials [P], losses [M], state (lib/train_state.wgsl), metrics: a ring of `ring` records of RECORD words.
// Runs as one workgroup.
const GROUP: u32 = 64u;
const PI: f32 = 3.14159265358979;
const RECORD: u32 = 8u;
var<workgroup> lane_sums: array<vec2<f32>, GROUP>;

@compute @workgroup_size(GROUP)
fn close_step(@builtin(local_invocation_index) lane: u32) {
    var sums = vec2(0.0);
    for (var i = lane; i < params.partial_count; i += GROUP) { sums.x += partials[i]; }
    for (var i = lane; i < params.rows; i += GROUP) { sums.y += losses[i]; }
    lane_sums[lane] = sums;
    workgroupBarrier();
    for (var width = GROUP / 2u; width > 0u; width /= 2u) {
        if lane < width { lane_sums[lane] += lane_sums[lane + width]; }
        workgroupBarrier();
    }
    if lane == 0u { close(sqrt(lane_sums[0].x), params.loss_scale * lane_sums[0].y); }
}

fn close(norm: f32, loss: f32) {
    let step = state[STATE_STEP];
    // By bits, because some drivers compare NaN wrongly.
    let finite = (bitcast<u32>(norm) & 0x7fffffffu) < 0x7f800000u;
    let lr = learning_rate(step);
    var clip = 1.0;
    if finite && norm > params.max_norm { clip = params.max_norm / norm; }

    state[STATE_STEP] = step + 1u;
    state[STATE_SLOT] += params.accumulate;
    state[STATE_FINITE] = select(0u, 1u, finite);
    state[STATE_LR] = bitcast<u32>(lr);
    state[STATE_CLIP] = bitcast<u32>(clip);
    if finite {
        state[STATE_UPDATES] += 1u;
        state[STATE_SKIPPED_IN_A_ROW] = 0u;
        correct(STATE_CORRECTION1, params.beta1);
        correct(STATE_CORRECTION2, params.beta2);
    } else {
        state[STATE_SKIPPED] += 1u;
        state[STATE_SKIPPED_IN_A_ROW] += 1u;
    }

    let record = step % params.ring * RECORD;
    metrics[record] = step;
    metrics[record + 1u] = bitcast<u32>(loss);
    metrics[record + 2u] = bitcast<u32>(norm);
    metrics[record + 3u] = bitcast<u32>(lr);
    metrics[record + 4u] = bitcast<u32>(clip);
    metrics[record + 5u] = select(1u, 0u, finite);
    metrics[record + 6u] = state[STATE_SKIPPED_IN_A_ROW];
    metrics[record + 7u] = state[STATE_UPDATES];
}

fn learning_rate(step: u32) -> f32 {
    if step < params.warmup { return params.peak * (f32(step + 1u) / f32(params.warmup)); }
    let past = f32(step - params.warmup) / f32(max(params.steps, params.warmup + 1u) - params.warmup);
    // WGSL's cos may be off by 2^-11; the clamp keeps the rate within its bounds.
    let share = clamp(0.5 + 0.5 * cos(PI * min(past, 1.0)), 0.0, 1.0);
    return params.floor + (params.peak - params.floor) * share;
}

fn correct(word: u32, beta: f32) {
    let correction = state_f32(word);
    state[word] = bitcast<u32>(correction + (1.0 - correction) * (1.0 - beta));
}
