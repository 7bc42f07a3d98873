// Gradients of AFT-local (local.wgsl) with respect to keys and values; simple_grad_prepare.wgsl has G, H and dq:
//   dv_t' = sum over t >= t' of p_tt' G_t,  dk_t' = sum over t >= t' of p_tt' (G_t v_t' - H_t),  p_tt' = e^(k_t' + w_tt' - L_t)
//
// A thread walks a strip of keys against time in tiles of four. The rows that see a key in their window come pair by pair. For
// those after them it is AFT-simple: a carry and what the strip has added to it. Strip j of keys follows strip j + strip_shift
// of rows.
//
// Operands: qkv [B T, 3 D], band [T, ages] in blocks (band.wgsl), log_den, g, h [B T, D], carry [3 B strips, D] (read where a
// strip of rows is left), dqkv [B T, 3 D] (its columns of dk and dv).
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    strip_rows: u32,
    // Of keys.
    strips: u32,
    row_strips: u32,
    strip_shift: u32,
    window: u32,
    qkv_stride: u32,
    band_stride: u32,
    log_den_stride: u32,
    g_stride: u32,
    h_stride: u32,
    carry_stride: u32,
    dqkv_stride: u32,
}

// Blocks of four rows that are summed before they are added to the rest.
const SPAN: u32 = 64u;

@compute @workgroup_size(STRIP_GROUP)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let base = strip.batch * params.time;
    let last = params.time - 1u;
    let row_strip = strip.number + params.strip_shift;
    let after = carried(strip.batch * params.row_strips + row_strip, c, row_strip + 1u < params.row_strips);
    let first = strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, params.time);

    var own = EMPTY;
    for (var tile = (end + 3u) / 4u; tile > first / 4u; tile -= 1u) {
        let past = 4u * (tile - 1u);
        var k = array<vec4<f32>, 4>();
        for (var i = 0u; i < 4u; i += 1u) { k[i] = key(base + min(past + i, last), c); }

        var sums = array<Shares, 4>();
        var block = past / 4u;
        let blocks = min(past + 2u + params.window, last) / 4u + 1u;
        while block < blocks {
            var part = array<Shares, 4>();
            let stop = min(block + SPAN, blocks);
            for (; block < stop; block += 1u) {
                for (var r = 0u; r < 4u; r += 1u) {
                    let t = 4u * block + r;
                    let row = base + min(t, last);
                    let l = log_den_at(row, c);
                    let g = g_at(row, c);
                    let h = h_at(row, c);
                    let w = bounded(band_at(min(t, last), block - past / 4u));
                    let seen = in_window(t, past, params.window) & vec4(t <= last);
                    for (var i = 0u; i < 4u; i += 1u) {
                        let p = select(vec4(0.0), exp(min(k[i] + w[i] - l, vec4(0.0))), seen[i]);
                        part[i].g += p * g;
                        part[i].h += p * h;
                    }
                }
            }
            for (var i = 0u; i < 4u; i += 1u) {
                sums[i].g += part[i].g;
                sums[i].h += part[i].h;
            }
        }
        for (var j = 0u; j < 4u; j += 1u) {
            let i = 3u - j;
            let t = past + i;
            if t < end {
                if t + params.window < params.time { own = merge(own, row_state(base + t + params.window, c)); }
                let rest = shares(k[i], merge(after, own));
                set_key_gradient(base + t, c, sums[i].g + rest.g, sums[i].h + rest.h);
            }
        }
    }
}
