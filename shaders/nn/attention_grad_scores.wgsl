// Recomputed weights p of attention (attention.wgsl), from scores and L, and the gradients g of q k (`slopes`):
//   p_tt' = e^(s_tt' - L_t),  g_tt' = p_tt' (dy_t v_t' / sqrt(D / H) - delta_t)
// v is scaled before the product, because dy v of a wide head may overflow.
//
// Operands: qkv [B T, 3 D], dy [B T, D], scores [B strip, H panel], log_den, delta [B T, H], weights, slopes [B strip, H panel].
// Constants: of lib/gemm_*.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn gradient_scores(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return (params.keys + 3u) / 4u; }

fn depth(slice: u32, block: u32) -> vec2<u32> {
    place = place_of(slice);
    return vec2(0u, params.head_width);
}

fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = place.row + 4u * i;
    let c = place.column + d;
    return mat4x4(dy_at(row, c), dy_at(row + 1u, c), dy_at(row + 2u, c), dy_at(row + 3u, c));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    return params.scale * transpose(qkv_block(place.key + 4u * j, 2u * width() + place.column + d));
}

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    let score = scores_at(place.strip + row, place.pairs + c);
    let at = (place.row + row) * params.heads + place.head;
    let sees = score > vec4(LOWEST);
    let none = vec4(0.0);
    let p = select(none, exp(min(score - log_den[at], none)), sees);
    set_weights(place.strip + row, place.pairs + c, p);
    set_slopes(place.strip + row, place.pairs + c, select(none, p * (value - delta[at]), sees));
}
