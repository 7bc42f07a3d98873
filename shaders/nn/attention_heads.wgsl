// Channels of heads from one layout to another: heads side by side, or each in whole vec4s, as attention (attention.wgsl) takes them.
// What is no channel of a head becomes 0.
//
// Operands: x, out [B T, parts part].
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
