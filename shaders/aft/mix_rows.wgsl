// What the gradients of AFT need of each row, and the gradient of q:
//   dq = dy y sigmoid(-q),  G = dy sigmoid(q),  H = G r     (without a gate: dq = 0, G = dy)
// with y, L and r from the forward pass, where r is the mean of v - centre. A row without any key hands nothing on.
//
// Operands: qkv [B T, 3 D], dy, y, log_den, r [B T, D], dqkv [B T, 3 D] (its columns of dq), gh [B T, 2 D].
struct Params {
    rows: u32,
    cols: u32,
    width: u32,
    gated: u32,
    qkv_stride: u32,
    dy_stride: u32,
    y_stride: u32,
    log_den_stride: u32,
    r_stride: u32,
    dqkv_stride: u32,
    gh_stride: u32,
}

// L of a row without keys (pairs.wgsl) is far beyond that of any other.
const NO_KEYS: f32 = 1e37;

@compute @workgroup_size(64)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let row = thread / params.width;
    let c = thread % params.width;
    if row >= params.rows { return; }
    let q = query(row, c);
    let dy = dy_at(row, c);
    let l = log_den_at(row, c);
    let none = vec4(0.0);
    let keys = (l < vec4(NO_KEYS)) & channels(c, params.cols);
    let gate = select(vec4(1.0), sigmoid(q), params.gated != 0u);
    let slope = select(none, sigmoid(-q), params.gated != 0u);
    let g = select(none, dy * gate, keys);
    set_dqkv(row, c, select(none, dy * y_at(row, c) * slope, keys));
    set_gh(row, c, g);
    set_gh(row, params.width + c, select(none, g * r_at(row, c), keys));
}
