// What the gradients of AFT-simple and AFT-local (simple_grad.wgsl, local_grad.wgsl) need of each row, and the totals for the
// scan that runs against time:
//   dq = dy y sigmoid(-q),  G = dy sigmoid(q),  H = dy y
//
// A key that a row sees without a bias has the share p = e^(k - L) of it. So a sum of p G over rows is e^k times one of e^(-L) G,
// which is a state with the exponent -L and the values G, H. Key t' takes that sum over the rows t >= t' + window; strips of
// rows are shifted by `shift` so that strips of keys begin where strips of rows do: strip j holds the rows
// C j - shift .. C (j+1) - shift.
//
// Operands: qkv [B T, 3 D], dy, y, log_den [B T, D], dqkv [B T, 3 D] (its columns of dq), g, h [B T, D], total [3 B strips, D].
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    strip_rows: u32,
    strips: u32,
    shift: u32,
    qkv_stride: u32,
    dy_stride: u32,
    y_stride: u32,
    log_den_stride: u32,
    dqkv_stride: u32,
    g_stride: u32,
    h_stride: u32,
    total_stride: u32,
}

@compute @workgroup_size(STRIP_GROUP)
fn prepare(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let start = strip.number * params.strip_rows;
    let first = max(start, params.shift) - params.shift;
    let end = min(start + params.strip_rows - params.shift, params.time);
    var sums = EMPTY;
    for (var t = first; t < end; t += 1u) {
        let row = strip.batch * params.time + t;
        let q = query(row, c);
        let dy = dy_at(row, c);
        let g = dy * sigmoid(q);
        let h = dy * y_at(row, c);
        set_dqkv(row, c, h * sigmoid(-q));
        set_g(row, c, g);
        set_h(row, c, h);
        sums = merge(sums, State(-log_den_at(row, c), g, h));
    }
    set_total_state(strip.batch * params.strips + strip.number, c, sums);
}
