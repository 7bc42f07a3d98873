// Gradients of gamma and beta (layer_norm_grad.wgsl). A thread sums four channels over a slice of the rows, in blocks, which
// keeps the sums accurate for any number of rows.
//
// Operands: x [M, D], dy [M, D], stats [M] = (mean, rstd), out: dgamma [D], then at `beta_offset` vec4s dbeta [D]; slices are
// `slice_stride` vec4s apart.
const SUM_BLOCK: u32 = 64u;

@compute @workgroup_size(64)
fn gradient_affine(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    if thread >= params.slices * params.width { return; }
    let c = thread % params.width;
    let slice = thread / params.width;
    let end = min((slice + 1u) * params.rows_per_slice, params.rows);

    var dgamma = vec4(0.0);
    var dbeta = vec4(0.0);
    for (var block = slice * params.rows_per_slice; block < end; block += SUM_BLOCK) {
        var part_gamma = vec4(0.0);
        var part_beta = vec4(0.0);
        for (var row = block; row < min(block + SUM_BLOCK, end); row += 1u) {
            let stat = stats[row];
            let dy = dy_at(row, c);
            part_gamma += dy * ((x_at(row, c) - stat.x) * stat.y);
            part_beta += dy;
        }
        dgamma += part_gamma;
        dbeta += part_beta;
    }
    let at = slice * params.slice_stride + c;
    if at_run_time(params.accumulate, lane) != 0u {
        dgamma += out[at];
        dbeta += out[at + params.beta_offset];
    }
    out[at] = dgamma;
    out[at + params.beta_offset] = dbeta;
}
