// Factorised biases (Zhai et al. 2021, Eq. 7) in the blocks that AFT reads them in:
//   w_tt' = sum over r of u_tr v_t'r   where row t sees key t'
//
// A thread forms a tile of four rows and four keys. Entries that no row sees are 0.
// Operands: u, v [T, R], bias (lib/aft_seen.wgsl) of rows first_row .. + rows.
@compute @workgroup_size(64)
fn form(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let j = thread % params.columns;
    let t = params.first_row + thread / params.columns * 4u;
    let end = min(params.first_row + params.rows, params.time);
    if t >= end { return; }
    let block = block_of(t, j);
    let past = 4u * min(block, (params.time - 1u) / 4u);
    let width = (at_run_time(params.rank, lane) + 3u) / 4u;
    let last = params.time - 1u;

    var w: mat4x4<f32>;
    for (var r = 0u; r < width; r += 1u) {
        let v = mat4x4(
            v_at(past * width + r), v_at(min(past + 1u, last) * width + r),
            v_at(min(past + 2u, last) * width + r), v_at(min(past + 3u, last) * width + r),
        );
        let u = mat4x4(
            u_at(t * width + r), u_at(min(t + 1u, last) * width + r),
            u_at(min(t + 2u, last) * width + r), u_at(min(t + 3u, last) * width + r),
        );
        w += transpose(v) * u;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        if t + i < end { set_bias(t + i - params.first_row, j, select(vec4(0.0), w[i], seen(t + i, block))); }
    }
}
