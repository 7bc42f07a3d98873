// Token and learned position embeddings:
//   x[b, t, :] = token[tokens[b, t], :] + position[t, :]
//
// Operands: token [V, D], position [T, D] or longer, data (lib/batch.wgsl), state (lib/train_state.wgsl), x [B, T, D].
// Constants: LANES, threads that share a row.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group_number(group, groups) * (64u / LANES) + lane / LANES;
    if row >= params.rows { return; }
    let width = at_run_time(params.width, lane);
    let token = data[batch_start() + row] * params.width;
    let position = row % params.length * params.width;
    for (var c = lane % LANES; c < width; c += LANES) {
        set_x(row, c, token_at(token + c) + position_at(position + c));
    }
}
