// The factorised position bias (Zhai et al. 2021, Eq. 7), formed within a causal window only:
//   w_tt' = sum over r of u_tr v_t'r   where t - window < t' <= t
//
// A band is held in blocks of 4 x 4: column `age` of row t holds, as one vec4, w_tt' of the four keys 4 (t/4 - age) .. + 3.
// It has (window + 2) / 4 + 1 ages. Entries outside the window are 0; blocks that would begin before the sequence are unused.
//
// A thread forms one block. Operands: u [T, R], v [T, R], band [T, ages].
struct Params {
    time: u32,
    rank: u32,
    ages: u32,
    window: u32,
    u_base: u32,
    v_base: u32,
    band_stride: u32,
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let age = thread % params.ages;
    let t = thread / params.ages * 4u;
    if t >= params.time || age > t / 4u { return; }
    let past = t - 4u * age;
    let width = (params.rank + 3u) / 4u;
    let last = params.time - 1u;

    var w: mat4x4<f32>;
    for (var r = 0u; r < width; r += 1u) {
        // Rows past the sequence repeat its last; what they give is not stored, or 0.
        let v = mat4x4(
            v_at(past * width + r), v_at(min(past + 1u, last) * width + r),
            v_at(min(past + 2u, last) * width + r), v_at(min(past + 3u, last) * width + r),
        );
        let u = mat4x4(
            u_at(t * width + r), u_at(min(t + 1u, last) * width + r),
            u_at(min(t + 2u, last) * width + r), u_at(min(t + 3u, last) * width + r),
        );
        w += transpose(v) * u;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        if t + i < params.time { set_band(t + i, age, select(vec4(0.0), w[i], in_window(t + i, past, params.window))); }
    }
}
