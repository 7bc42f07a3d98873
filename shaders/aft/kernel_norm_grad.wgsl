// Gradients of the re-parameterised kernel (kernel_norm.wgsl), with n = (raw - mean) / std:
//   dgamma = sum dtap n,  dbeta = sum dtap,  draw = gamma / std (dtap - mean dtap - n mean(dtap n))
// Where the standard deviation is 0: dgamma = draw = 0.
//
// A thread owns four heads: gamma's and beta's gradients are whole vec4s. Operands: raw [H, S], gamma [H], dtaps [H, S], out: draw
// [H, S] and, from gamma_offset and beta_offset on, dgamma and dbeta [H].
@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = group_number(group, groups) * 64u + lane;
    if 4u * quad >= params.heads { return; }
    let width = (at_run_time(params.tap_count, lane) + 3u) / 4u;
    let accumulate = at_run_time(params.accumulate, lane) != 0u;
    var dgamma = vec4(0.0);
    var dbeta = vec4(0.0);
    for (var i = 0u; i < 4u; i += 1u) {
        if 4u * quad + i < params.heads {
            let sums = head_gradient(4u * quad + i, width, accumulate);
            dgamma[i] = sums.x;
            dbeta[i] = sums.y;
        }
    }
    if accumulate {
        dgamma += out[params.gamma_offset + quad];
        dbeta += out[params.beta_offset + quad];
    }
    out[params.gamma_offset + quad] = dgamma;
    out[params.beta_offset + quad] = dbeta;
}

// Stores draw of a head; returns its dgamma and dbeta.
fn head_gradient(head: u32, width: u32, accumulate: bool) -> vec2<f32> {
    let moments = moments_of(head, width);
    var with_normal = vec4(0.0);
    var sum = vec4(0.0);
    for (var i = 0u; i < width; i += 1u) {
        let dtap = select(vec4(0.0), dtaps[head * width + i], channels(i, params.tap_count));
        with_normal += dtap * normal(head * width + i, i, moments);
        sum += dtap;
    }
    let dgamma = with_normal.x + with_normal.y + with_normal.z + with_normal.w;
    let dbeta = sum.x + sum.y + sum.z + sum.w;
    let gamma = gamma_at(head / 4u)[head % 4u] * moments.scale;
    let spread = select(moments.spread, 1.0, moments.spread == 0.0);
    let taps = f32(params.tap_count);
    for (var i = 0u; i < width; i += 1u) {
        let n = normal(head * width + i, i, moments);
        let slope = gamma * (dtaps[head * width + i] - dbeta / taps - n * (dgamma / taps));
        var d = select(vec4(0.0), slope / spread, channels(i, params.tap_count));
        if accumulate { d += out[head * width + i]; }
        out[head * width + i] = d;
    }
    return vec2(dgamma, dbeta);
}
