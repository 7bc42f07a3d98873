// AFT-simple over a stream (Zhai et al. 2021, Eq. 5, with sums that end at t' = t), a chunk of tokens at a time:
//   y_t = sigmoid(q_t) * sum over t' <= t of e^(k_t') v_t' / sum over t' <= t of e^(k_t')
//
// The sums over all keys before the chunk are kept between passes, so that a token costs the same at any position. A thread
// owns four channels of one sequence and walks the rows of the pass; rows past those stay as they are.
//
// Operands: qkv [N C, 3 D], cursor (lib/cursor.wgsl), sums [N, 5, D] (lib/aft_stream.wgsl), y [N C, D].
// Constants: STREAM_GROUP, the threads of a workgroup.
@compute @workgroup_size(STREAM_GROUP)
fn stream(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * STREAM_GROUP + lane;
    let n = thread / params.width;
    let c = thread % params.width;
    if n >= params.sequences { return; }
    let position = cursor[CURSOR_POSITION];
    let rows = min(cursor[CURSOR_ROWS], params.chunk);
    var seen = load_sums(n, c, position);
    for (var i = 0u; i < rows; i += 1u) {
        let row = n * params.chunk + i;
        seen = push(seen, position + i, key(row, c), value(row, c));
        let mean = joined(seen);
        set_y(row, c, sigmoid(query(row, c)) * (mean.a / mean.b));
    }
    store_sums(n, c, seen);
}
