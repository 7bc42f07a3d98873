// y = x. A thread copies a vec4 in each of four rows.
// Operands: x [rows, cols], y [rows, cols].
@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    let col = i % params.width;
    let first = i / params.width * 4u;
    if first >= params.rows { return; }
    for (var row = first; row < first + 4u; row += 1u) {
        set_y(row, col, x_at(row, col));
    }
}
