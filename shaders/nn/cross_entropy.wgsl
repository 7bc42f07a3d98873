// Cross-entropy of a softmax over the vocabulary, in nats, and its gradient:
//   loss = log(sum_c e^(logits_c)) - logits_target,   dlogits = (softmax(logits) - onehot(target)) scale
//
// The first pass sums exponentials relative to a pivot. The pivot moves only to a logit more than SLACK above it, so exponentials
// do not overflow. Each move shrinks the sum at least e^SLACK-fold, so the rounding of this does not add up. The second pass writes
// the gradient.
//
// Operands: logits [M, V], data (lib/batch.wgsl), state (lib/train_state.wgsl), dlogits [M, V] (if has_gradient),
// losses [M]. A row whose target is IGNORED has loss 0 and gradient 0.
// Constants: LANES, lanes that share a row (lib/row_sum.wgsl).
const IGNORED: u32 = 0xffffffffu;
const SLACK: f32 = 8.0;
const LOWEST: f32 = -3.0e38;

@compute @workgroup_size(ROW_GROUP)
fn cross_entropy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let first = lane % LANES;
    let inside = row < params.rows;
    let width = select(0u, at_run_time((params.cols + 3u) / 4u, lane), inside);

    var pivot = LOWEST;
    var sum = 0.0;
    for (var c = first; c < width; c += LANES) {
        let real = channels(c, params.cols);
        let x = select(vec4(LOWEST), logits_at(row, c), real);
        let top = max(max(x.x, x.y), max(x.z, x.w));
        if top > pivot + SLACK {
            sum *= exp(pivot - top);
            pivot = top;
        }
        sum += dot(select(vec4(0.0), exp(x - pivot), real), vec4(1.0));
    }
    let row_pivot = row_max(lane, pivot);
    sum = row_sum(lane, vec2(sum * exp(pivot - row_pivot), 0.0)).x;
    if !inside { return; }

    let wanted = data[batch_start() + params.rows + row];
    let counts = wanted != IGNORED;
    if first == 0u {
        var loss = 0.0;
        if counts { loss = log(sum) + (row_pivot - logits_at(row, wanted / 4u)[wanted % 4u]); }
        if at_run_time(params.accumulate, lane) != 0u { loss += losses[row]; }
        losses[row] = loss;
    }
    if at_run_time(params.has_gradient, lane) == 0u { return; }
    let scale = select(0.0, params.scale, counts);
    for (var c = first; c < width; c += LANES) {
        let softmax = exp(logits_at(row, c) - row_pivot) / sum;
        let onehot = select(vec4(0.0), vec4(1.0), vec4(4u * c) + vec4(0u, 1u, 2u, 3u) == vec4(wanted));
        set_dlogits(row, c, select(vec4(0.0), scale * (softmax - onehot), channels(c, params.cols)));
    }
}
