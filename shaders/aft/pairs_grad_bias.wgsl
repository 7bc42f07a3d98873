// The gradient of AFT (pairs.wgsl) with respect to biases that all channels share, summed over batch and channels:
//   dw_tt' = sum of p (G_t (v_t' - centre) - H_t),  p = e^(k_t' + w_tt' - L_t)   where row t sees key t', else 0
//
// LANES neighbouring threads share a tile of four rows and a block of four keys: neighbours take neighbouring channels, and
// what they found is added in a fixed order. A thread sums SPAN channels at a time before it adds them to the rest.
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], bias and dbias (lib/aft_seen.wgsl), lr [B T, 2 D] of L and r, g [B T, D].
// Rows first_row .. + rows are at hand and computed. Constants: LANES (lib/row_sum.wgsl).
const SPAN: u32 = 64u;

@compute @workgroup_size(ROW_GROUP)
fn gradient_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let j = number % params.columns;
    let tile = number / params.columns;
    let tiles = (params.rows + 3u) / 4u;
    let t = params.first_row + tile * 4u;
    let last = params.time - 1u;
    let block = block_of(t, j);
    let inside = (tile < tiles) & (block <= last / 4u);
    let past = 4u * select(0u, block, inside);
    let count = select(0u, params.batch * params.width, inside);

    let t0 = min(t, last);
    let t1 = min(t + 1u, last);
    let t2 = min(t + 2u, last);
    let t3 = min(t + 3u, last);
    let w = mat4x4(bias_row(t0, j), bias_row(t1, j), bias_row(t2, j), bias_row(t3, j));
    var sums: mat4x4<f32>;
    for (var span = lane % LANES; span < count; span += LANES * SPAN) {
        var part = mat4x4<f32>();
        for (var n = span; n < min(span + LANES * SPAN, count); n += LANES) {
            let c = n % params.width;
            let batch = n / params.width;
            let base = batch * params.time;
            let mid = centre_at(batch, c);
            let r0 = base + min(past, last);
            let r1 = base + min(past + 1u, last);
            let r2 = base + min(past + 2u, last);
            let r3 = base + min(past + 3u, last);
            let k = mat4x4(key(r0, c), key(r1, c), key(r2, c), key(r3, c));
            let v = mat4x4(value(r0, c) - mid, value(r1, c) - mid, value(r2, c) - mid, value(r3, c) - mid);
            let here = vec4(present(r0), present(r1), present(r2), present(r3));
            part[0] += row_terms(base + t0, c, k, v, w[0], here);
            part[1] += row_terms(base + t1, c, k, v, w[1], here);
            part[2] += row_terms(base + t2, c, k, v, w[2], here);
            part[3] += row_terms(base + t3, c, k, v, w[3], here);
        }
        sums += part;
    }
    for (var r = 0u; r < 4u; r += 1u) {
        let sum = vec4(row_sum(lane, sums[r].xy), row_sum(lane, sums[r].zw));
        let row = t + r;
        if inside && lane % LANES == 0u && row < min(params.first_row + params.rows, params.time) {
            set_dbias(row - params.first_row, j, select(vec4(0.0), sum, seen(row, block)));
        }
    }
}

fn bias_row(t: u32, j: u32) -> vec4<f32> {
    return bounded(bias_at(t - params.first_row, j));
}

// What four channels of a row give for the four keys of a block.
fn row_terms(row: u32, c: u32, k: mat4x4<f32>, v: mat4x4<f32>, w: vec4<f32>, here: vec4<bool>) -> vec4<f32> {
    let l = lr_at(row, c);
    let g = g_at(row, c);
    let h = g * lr_at(row, params.width + c);
    let none = vec4(0.0);
    let terms = vec4(
        dot(exp(min(k[0] + w.x - l, none)), g * v[0] - h), dot(exp(min(k[1] + w.y - l, none)), g * v[1] - h),
        dot(exp(min(k[2] + w.z - l, none)), g * v[2] - h), dot(exp(min(k[3] + w.w - l, none)), g * v[3] - h),
    );
    return select(none, terms, here);
}
