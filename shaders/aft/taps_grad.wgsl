// The gradient of the taps of AFT-conv (pairs.wgsl, Eq. 6), summed over batch, positions and the channels of a head:
//   dtap_hi = sum over t, and channels c of head h, of p (G_t (v_t' - centre) - H_t),  p = e^(k_t' + tap_hi - L_t)
// where t' is the key that tap i of row t stands for, if row t sees it.
//
// A workgroup owns four taps of a head and a slice of the rows of all sequences; neighbouring threads take neighbouring rows,
// and what they found is added in a fixed order. Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], taps [H, S] floats, lr
// [B T, 2 D] of L and r, g [B T, D], out [slices, H, S / 4] vec4s. Fragments: lib/aft_line.wgsl or lib/aft_grid.wgsl say which key a tap stands for.
// Rows of a thread that are summed before they are added to the rest.
const SPAN: u32 = 64u;

// What one vec4 of channels of a row gives for a tap; `mine` are those of the head.
fn term(batch: u32, row: u32, t: u32, c: u32, mine: vec4<f32>, tap: u32, w: f32, given: Given) -> f32 {
    let key_at = key_of_tap(t, tap);
    let past = batch * params.time + min(key_at, params.time - 1u);
    let sees = (key_at < params.time) & (tap < params.tap_count) & present(past);
    let v = value(past, c) - centre_at(batch, c);
    let p = exp(min(key(past, c) + vec4(w) - given.l, vec4(0.0)));
    // Products with what a masked key holds, or another head, do not count.
    let terms = select(vec4(0.0), p * (given.g * v - given.h), mine != vec4(0.0));
    return select(0.0, terms.x + terms.y + terms.z + terms.w, sees);
}

// What a row hands to its keys.
struct Given {
    l: vec4<f32>,
    g: vec4<f32>,
    h: vec4<f32>,
}

@compute @workgroup_size(ROW_GROUP)
fn gradient_taps(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quads = (params.tap_count + 3u) / 4u;
    let number = group_number(group, groups);
    let quad = number % quads;
    let head = number / quads % params.padded_heads;
    let slice = number / quads / params.padded_heads;
    let all = params.batch * params.time;
    let first = slice * params.rows_per_slice;
    let end = select(first, min(first + params.rows_per_slice, all), head < params.heads);
    let channel = head * params.head_channels;
    let first_c = channel / 4u;
    let end_c = (channel + params.head_channels + 3u) / 4u;
    let w = vec4(tap_of(head, 4u * quad), tap_of(head, 4u * quad + 1u), tap_of(head, 4u * quad + 2u), tap_of(head, 4u * quad + 3u));

    var sums = vec4(0.0);
    for (var span = first + lane; span < end; span += ROW_GROUP * SPAN) {
        var part = vec4(0.0);
        for (var row = span; row < min(span + ROW_GROUP * SPAN, end); row += ROW_GROUP) {
            let batch = row / params.time;
            let t = row % params.time;
            for (var c = first_c; c < end_c; c += 1u) {
                let channels = vec4(4u * c) + vec4(0u, 1u, 2u, 3u);
                let mine = select(vec4(0.0), vec4(1.0), (channels >= vec4(channel)) & (channels < vec4(channel + params.head_channels)));
                let g = g_at(row, c);
                let given = Given(lr_at(row, c), g, g * lr_at(row, params.width + c));
                part += vec4(
                    term(batch, row, t, c, mine, 4u * quad, w.x, given), term(batch, row, t, c, mine, 4u * quad + 1u, w.y, given),
                    term(batch, row, t, c, mine, 4u * quad + 2u, w.z, given), term(batch, row, t, c, mine, 4u * quad + 3u, w.w, given),
                );
            }
        }
        sums += part;
    }
    let sum = vec4(row_sum(lane, sums.xy), row_sum(lane, sums.zw));
    if lane == 0u && first < all {
        let at = slice * params.slice_stride + head * quads + quad;
        out[at] = select(sum, sum + out[at], params.accumulate != 0u);
    }
}

fn tap_of(head: u32, tap: u32) -> f32 {
    return clamp(taps[min(head, params.heads - 1u) * 4u * ((params.tap_count + 3u) / 4u) + min(tap, params.tap_count - 1u)], -LARGEST, LARGEST);
}
