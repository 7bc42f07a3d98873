// Gradients of AFT-simple (simple.wgsl) with respect to keys and values; simple_grad_prepare.wgsl has G, H and dq:
//   dv_t' = sum over t >= t' of p_tt' G_t,  dk_t' = sum over t >= t' of p_tt' (G_t v_t' - H_t),  p_tt' = e^(k_t' - L_t)
//
// The last of three passes: a thread walks a strip of keys against time, from the carry of the rows after it.
//
// Operands: qkv [B T, 3 D], log_den, g, h [B T, D], carry [3 B strips, D] (not read in the last strip), dqkv [B T, 3 D] (its
// columns of dk and dv).
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    strip_rows: u32,
    strips: u32,
    qkv_stride: u32,
    log_den_stride: u32,
    g_stride: u32,
    h_stride: u32,
    carry_stride: u32,
    dqkv_stride: u32,
}

@compute @workgroup_size(STRIP_GROUP)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let after = carried(strip.batch * params.strips + strip.number, c, strip.number + 1u < params.strips);
    let first = strip.batch * params.time + strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, (strip.batch + 1u) * params.time);
    var own = EMPTY;
    for (var row = end; row > first; row -= 1u) {
        own = merge(own, row_state(row - 1u, c));
        let sums = shares(key(row - 1u, c), merge(after, own));
        set_key_gradient(row - 1u, c, sums.g, sums.h);
    }
}
