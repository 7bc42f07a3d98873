// Appends the keys and values of a pass to the cache of attention over a stream (attention_stream.wgsl). One thread per vec4.
//
// Operands: qkv [N C, 3 D], cursor (lib/cursor.wgsl), cache [N, T, 2, D].
@compute @workgroup_size(64)
fn append(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let row = thread / (2u * params.width);
    let c = thread % (2u * params.width);
    let i = row % params.chunk;
    if row >= params.rows || i >= cursor[CURSOR_ROWS] { return; }
    let t = cursor[CURSOR_POSITION] + i;
    cache[(row / params.chunk * params.time + t) * 2u * params.width + c] = qkv_at(row, params.width + c);
}
