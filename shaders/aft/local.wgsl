// AFT-local, causal (Zhai et al. 2021, Eq. 4 with sums that end at t' = t), channel by channel:
//   y_t = sigmoid(q_t) * sum over t' <= t of e^(k_t' + w_tt') v_t' / sum over t' <= t of e^(k_t' + w_tt')
// with w from the band where t - window < t', else 0; L_t is the log of the lower sum.
//
// A thread walks a strip in tiles of four rows. The keys of the window come pair by pair, four keys a step, with one exp a pair.
// The keys before the window are AFT-simple's: a carry (simple_reduce, simple_scan) and what the strip has added to it. A row
// takes nothing over keys that it may not see, not even a maximum: later keys change none of its bits.
//
// Operands: qkv [B T, 3 D], band [T, ages] in blocks (band.wgsl), carry [3 B strips, D] (not read in the first strip),
// y [B T, D], log_den [B T, D] = L.
struct Params {
    batch: u32,
    time: u32,
    cols: u32,
    width: u32,
    strip_rows: u32,
    strips: u32,
    window: u32,
    qkv_stride: u32,
    band_stride: u32,
    carry_stride: u32,
    y_stride: u32,
    log_den_stride: u32,
}

// Blocks of four keys that are summed before they are added to the rest.
const SPAN: u32 = 64u;

@compute @workgroup_size(STRIP_GROUP)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let base = strip.batch * params.time;
    let last = params.time - 1u;
    let before = carried(strip.batch * params.strips + strip.number, c, strip.number > 0u);
    let first = strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, params.time);

    var own = EMPTY;
    for (var t = first; t < end; t += 4u) {
        var sums = array<State, 4>(before, before, before, before);
        var block = (max(t + 1u, params.window) - params.window) / 4u;
        while block <= t / 4u {
            var part = array<State, 4>(EMPTY, EMPTY, EMPTY, EMPTY);
            let stop = min(block + SPAN, t / 4u + 1u);
            for (; block < stop; block += 1u) {
                let age = t / 4u - block;
                var w = array<vec4<f32>, 4>();
                var seen = array<vec4<bool>, 4>();
                for (var r = 0u; r < 4u; r += 1u) {
                    w[r] = bounded(band_at(min(t + r, last), age));
                    seen[r] = in_window(t + r, 4u * block, params.window);
                }
                for (var i = 0u; i < 4u; i += 1u) {
                    let past = base + min(4u * block + i, last);
                    let k = key(past, c);
                    let v = value(past, c);
                    for (var r = 0u; r < 4u; r += 1u) {
                        let x = select(vec4(ABSENT), k + w[r][i], seen[r][i]);
                        part[r] = merge(part[r], State(x, select(vec4(0.0), v, seen[r][i]), vec4(1.0)));
                    }
                }
            }
            for (var r = 0u; r < 4u; r += 1u) { sums[r] = merge(sums[r], part[r]); }
        }
        for (var r = 0u; r < 4u; r += 1u) {
            let row = t + r;
            if row < end {
                if row >= params.window {
                    let past = base + row - params.window;
                    own = merge(own, State(key(past, c), value(past, c), vec4(1.0)));
                }
                set_output(base + row, c, merge(sums[r], own));
            }
        }
    }
}
