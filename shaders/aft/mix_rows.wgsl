// What the gradients of AFT need of each row, and the gradient of q:
//   dq = dy y sigmoid(-q),  G = dy sigmoid(q)     (without a gate: dq = 0, G = dy)
// with y and L from the forward pass. A row without any key hands nothing on.
//
// Operands: qkv [B T, 3 D], dy, y [B T, D], lr [B T, 2 D] of L and r, dqkv [B T, 3 D] (its columns of dq), g [B T, D].
// L of a row without keys (lib/aft_mean.wgsl) is far beyond that of any other.
const NO_KEYS: f32 = 1e37;

@compute @workgroup_size(64)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let row = thread / params.width;
    let c = thread % params.width;
    if row >= params.rows { return; }
    let q = query(row, c);
    let dy = dy_at(row, c);
    let none = vec4(0.0);
    let keys = (lr_at(row, c) < vec4(NO_KEYS)) & channels(c, params.cols);
    let gate = select(vec4(1.0), sigmoid(q), params.gated != 0u);
    let slope = select(none, sigmoid(-q), params.gated != 0u);
    set_dqkv(row, c, select(none, dy * y_at(row, c) * slope, keys));
    set_g(row, c, select(none, dy * gate, keys));
}
