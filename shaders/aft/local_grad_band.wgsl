// The gradient of AFT-local (local.wgsl) with respect to the band, summed over batch and channels:
//   dw_tt' = sum of p (G_t v_t' - H_t),  p = e^(k_t' + w_tt' - L_t)   where t - window < t' <= t, else 0
//
// LANES neighbouring threads share a block of four rows and four keys: neighbours take neighbouring channels, and what they
// found is added in a fixed order. A thread sums SPAN channels at a time before it adds them to the rest.
//
// Operands: qkv [B T, 3 D], band [T, ages] in blocks (band.wgsl), log_den, g, h [B T, D], dband [T, ages].
// Constants: LANES (lib/row_sum.wgsl).
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    window: u32,
    ages: u32,
    qkv_stride: u32,
    band_stride: u32,
    log_den_stride: u32,
    g_stride: u32,
    h_stride: u32,
    dband_stride: u32,
}

const SPAN: u32 = 64u;

@compute @workgroup_size(ROW_GROUP)
fn gradient_band(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let age = number % params.ages;
    let t = number / params.ages * 4u;
    let inside = t < params.time && age <= t / 4u;
    let past = t - 4u * select(0u, age, inside);
    let last = params.time - 1u;
    let count = select(0u, params.batch * params.width, inside);

    var w = array<vec4<f32>, 4>();
    for (var r = 0u; r < 4u; r += 1u) { w[r] = bounded(band_at(min(t + r, last), age)); }
    var sums = array<vec4<f32>, 4>();
    for (var span = lane % LANES; span < count; span += LANES * SPAN) {
        var part = array<vec4<f32>, 4>();
        for (var n = span; n < min(span + LANES * SPAN, count); n += LANES) {
            let c = n % params.width;
            let base = n / params.width * params.time;
            var k = array<vec4<f32>, 4>();
            var v = array<vec4<f32>, 4>();
            for (var i = 0u; i < 4u; i += 1u) {
                k[i] = key(base + min(past + i, last), c);
                v[i] = value(base + min(past + i, last), c);
            }
            for (var r = 0u; r < 4u; r += 1u) {
                let row = base + min(t + r, last);
                let l = log_den_at(row, c);
                let g = g_at(row, c);
                let h = h_at(row, c);
                for (var i = 0u; i < 4u; i += 1u) {
                    part[r][i] += dot(exp(min(k[i] + w[r][i] - l, vec4(0.0))), g * v[i] - h);
                }
            }
        }
        for (var r = 0u; r < 4u; r += 1u) { sums[r] += part[r]; }
    }
    for (var r = 0u; r < 4u; r += 1u) {
        let sum = vec4(row_sum(lane, sums[r].xy), row_sum(lane, sums[r].zw));
        if inside && lane % LANES == 0u && t + r < params.time {
            set_dband(t + r, age, select(vec4(0.0), sum, in_window(t + r, past, params.window)));
        }
    }
}
