// AFT-simple, causal (Zhai et al. 2021, Eq. 5, with sums that end at t' = t), channel by channel:
//   y_t = sigmoid(q_t) * sum over t' <= t of e^(k_t') v_t' / sum over t' <= t of e^(k_t'),   L_t = log of the lower sum
//
// The third pass of three: a thread walks the rows of a strip from its carry (simple_reduce, simple_scan). The carry and the
// strip's own sum stay apart until a row is stored, so that no sum is longer than a strip.
//
// Operands: qkv [B T, 3 D], carry [3 B strips, D] (not read in the first strip), y [B T, D], log_den [B T, D] = L.
struct Params {
    batch: u32,
    time: u32,
    cols: u32,
    width: u32,
    strip_rows: u32,
    strips: u32,
    qkv_stride: u32,
    carry_stride: u32,
    y_stride: u32,
    log_den_stride: u32,
}

@compute @workgroup_size(STRIP_GROUP)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let before = carried(strip.batch * params.strips + strip.number, c, strip.number > 0u);
    let first = strip.batch * params.time + strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, (strip.batch + 1u) * params.time);
    var own = EMPTY;
    for (var row = first; row < end; row += 1u) {
        own = merge(own, State(key(row, c), value(row, c), vec4(1.0)));
        set_output(row, c, merge(before, own));
    }
}
