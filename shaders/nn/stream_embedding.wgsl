// Token and learned position embeddings of a stream's next tokens:
//   x[n, i, :] = token[tokens[origin + position + i, n], :] + position_table[position + i, :]   for i < rows
//
// Rows that the pass does not use keep their values.
//
// Operands: token [V, D], position [T, D], tokens: a ring [mask + 1, N], cursor (lib/cursor.wgsl), x [N, C, D].
// Constants: LANES, threads that share a row.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group_number(group, groups) * (64u / LANES) + lane / LANES;
    let n = row / params.chunk;
    let i = row % params.chunk;
    if n >= params.sequences || i >= cursor[CURSOR_ROWS] { return; }
    let width = at_run_time(params.width, lane);
    let t = cursor[CURSOR_POSITION] + i;
    let token = tokens[((cursor[CURSOR_ORIGIN] + t) & params.mask) * params.sequences + n] * params.width;
    let position = t * params.width;
    for (var c = lane % LANES; c < width; c += LANES) {
        set_x(row, c, token_at(token + c) + position_at(position + c));
    }
}
