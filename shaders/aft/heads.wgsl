// Queries, keys and values of AFT-conv from its projection: a key belongs to a head and is handed to all channels of it
// (Zhai et al. 2021, section 3.3). Channel c belongs to head c / (D / H).
//
// A thread owns a vec4 of channels. Operands: x [B T, 2 D + H] (q, v and k, the first two padded to whole vec4s), qkv [B T, 3 D].
@compute @workgroup_size(64)
fn spread(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let row = thread / params.width;
    let c = thread % params.width;
    if row >= params.rows { return; }
    let head = min(vec4(4u * c) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u)) / params.head_channels;
    let k = vec4(key_of_head(row, head.x), key_of_head(row, head.y), key_of_head(row, head.z), key_of_head(row, head.w));
    set_qkv(row, c, x_at(row, c));
    set_qkv(row, params.width + c, select(vec4(0.0), k, channels(c, params.cols)));
    set_qkv(row, 2u * params.width + c, x_at(row, params.width + c));
}

fn key_of_head(row: u32, head: u32) -> f32 {
    return x_at(row, 2u * params.width + head / 4u)[head % 4u];
}
