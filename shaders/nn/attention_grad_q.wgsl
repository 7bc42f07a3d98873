// The gradient of the queries of attention (attention.wgsl): dq_t = sum over t' of g_tt' k_t', with g from attention_grad_scores.wgsl;
// `before` holds the sums of earlier panels.
//
// Operands: qkv [B T, 3 D], mask [B, T], slopes [B strip, H panel], before [B T, D], out [B T, 3 D] for the last panel, else
// [B T, D].
// Constants: of lib/gemm_*.wgsl, lib/attention_keys.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn gradient_q(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return params.head_width; }

// Causal: keys up to the last row of the tile.
fn depth(slice: u32, block: u32) -> vec2<u32> {
    place = place_of(slice);
    let end = (params.first_row + 4u * block + GEMM_ROWS - params.first_key) / 4u;
    return vec2(0u, min((params.keys + 3u) / 4u, select(end, 0xffffffffu, params.causal == 0u)));
}

fn slopes_of(row: u32, d: u32) -> vec4<f32> { return slopes_at(place.strip + row, place.pairs + d); }

fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = 4u * i;
    return mat4x4(slopes_of(row, d), slopes_of(row + 1u, d), slopes_of(row + 2u, d), slopes_of(row + 3u, d));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    return those(qkv_block(place.key + 4u * d, width() + place.column + j), keys_there(place.key, d));
}

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    var dq = value;
    if params.first == 0u { dq += before_at(place.row + row, place.column + c); }
    set_out(place.row + row, place.column + c, dq);
}
