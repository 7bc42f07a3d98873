// y = a b + c: three reads and one write, as in AFT-simple. A workgroup computes a tile of four blocks of 64 vec4s.
// Operands: a [rows, cols], b [rows, cols], c [rows, cols], y [rows, cols].
@compute @workgroup_size(64)
fn three_reads(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // The blocks are above each other (`stacked`) or side by side.
    let stacked = params.stacked;
    let along = select(64u, 0u, stacked != 0u);
    let width = 64u + 3u * along;
    let tiles = params.width / width;
    let tile = group_number(group, groups);
    var row = tile / tiles * (1u + 3u * stacked);
    var col = tile % tiles * width + lane;
    if row >= params.rows { return; }
    for (var block = 0u; block < 4u; block += 1u) {
        set_y(row, col, a_at(row, col) * b_at(row, col) + c_at(row, col));
        row += stacked;
        col += along;
    }
}
