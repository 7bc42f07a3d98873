// Changes the layout of heads between unpadded and padded to whole vec4s, as attention (attention.wgsl) needs. Padding
// becomes 0.
//
// Operands: x [B T, parts x_part], out [B T, parts out_part].
fn channel(row: u32, at: u32) -> f32 {
    let part = at / params.out_part;
    let head = at % params.out_part / params.out_head;
    let i = at % params.out_part % params.out_head;
    let place = part * params.x_part + head * params.x_head + i;
    let real = (part < params.parts) & (head < params.heads) & (i < params.head_channels);
    return select(0.0, x_at(row, place / 4u)[place % 4u], real);
}

@compute @workgroup_size(64)
fn lay_out(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let row = thread / params.width;
    if row >= params.rows { return; }
    let c = thread % params.width;
    set_out(row, c, vec4(channel(row, 4u * c), channel(row, 4u * c + 1u), channel(row, 4u * c + 2u), channel(row, 4u * c + 3u)));
}
