// AFT over a stream (Zhai et al. 2021, Eq. 2, 4 and 6 with sums that end at t' = t), a chunk of tokens at a time:
//   y_t = sigmoid(q_t) * sum over t' <= t of e^(k_t' + w_tt') v_t' / sum over t' <= t of e^(k_t' + w_tt')
// with w from the biases where t - reach < t', else 0.
//
// The last `reach` keys and values are kept in a ring, as each row gives them another bias; a key that leaves the window joins
// the sums of AFT-simple. So a token costs the same at any position. A thread owns four channels of one sequence and walks the
// rows of the pass; rows past those stay as they are.
//
// Operands: qkv [N C, 3 D], bias (lib/aft_biases.wgsl), cursor (lib/cursor.wgsl), sums [N, 5, D] (lib/aft_stream.wgsl), ring
// [N, reach, 2, D] of keys and values, y [N C, D].
// Constants: STREAM_GROUP, the threads of a workgroup.
// Blocks of four keys that are summed before they are added to the rest.
const SPAN: u32 = 64u;

// Where the key at position t lies in the ring; its value lies `width` behind it.
fn slot(n: u32, t: u32, c: u32) -> u32 {
    return 2u * (n * params.reach + t % params.reach) * params.width + c;
}

// Adds the key at `at`, if it is in the window.
fn add(part: State, at: u32, w: vec4<f32>, sees: bool) -> State {
    let x = select(vec4(ABSENT), ring[at] + w, sees);
    return merge(part, State(x, select(vec4(0.0), ring[at + params.width], sees), vec4(1.0)));
}

@compute @workgroup_size(STREAM_GROUP)
fn stream(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * STREAM_GROUP + lane;
    let n = thread / params.width;
    let c = thread % params.width;
    if n >= params.sequences { return; }
    let position = cursor[CURSOR_POSITION];
    let rows = min(cursor[CURSOR_ROWS], params.chunk);
    var past = load_sums(n, c, position);
    for (var i = 0u; i < rows; i += 1u) {
        let row = n * params.chunk + i;
        let t = position + i;
        // The place of the new key holds the one that leaves the window.
        let own = slot(n, t, c);
        if t >= params.reach { past = push(past, t - params.reach, ring[own], ring[own + params.width]); }
        ring[own] = key(row, c);
        ring[own + params.width] = value(row, c);

        var sums = joined(past);
        var block = (max(t + 1u, params.reach) - params.reach) / 4u;
        while block <= t / 4u {
            var part = EMPTY;
            let stop = min(block + SPAN, t / 4u + 1u);
            for (; block < stop; block += 1u) {
                let w = biases(t, block, c);
                let sees = seen(t, block);
                part = add(part, slot(n, 4u * block, c), w[0], sees.x);
                part = add(part, slot(n, 4u * block + 1u, c), w[1], sees.y);
                part = add(part, slot(n, 4u * block + 2u, c), w[2], sees.z);
                part = add(part, slot(n, 4u * block + 3u, c), w[3], sees.w);
            }
            sums = merge(sums, part);
        }
        set_y(row, c, sigmoid(query(row, c)) * (sums.a / sums.b));
    }
    store_sums(n, c, past);
}
