// Scores of attention (attention.wgsl): s_tt' = q_t k_t' / sqrt(D / H); ABSENT where row t does not see key t'.
//
// Operands: qkv [B T, 3 D], mask [B, T], scores [B strip, H panel].
// Constants: of lib/gemm_*.wgsl, lib/attention_keys.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn scores_of(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return (params.keys + 3u) / 4u; }

fn depth(slice: u32, block: u32) -> vec2<u32> {
    place = place_of(slice);
    return vec2(0u, params.head_width);
}

fn a_block(i: u32, d: u32) -> mat4x4<f32> { return qkv_block(place.row + 4u * i, place.column + d); }
fn b_block(d: u32, j: u32) -> mat4x4<f32> { return transpose(qkv_block(place.key + 4u * j, width() + place.column + d)); }

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    let sees = seen(row, c) & keys_there(place.key, c);
    set_scores(place.strip + row, place.pairs + c, select(vec4(ABSENT), params.scale * value, sees));
}
