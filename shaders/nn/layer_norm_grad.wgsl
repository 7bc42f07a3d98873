// Gradients of layer normalisation, with x^ = (x - mean) rstd and g = dy gamma:
//   dx = rstd (g - mean_d(g) - x^ mean_d(g x^)) + skip,   dgamma = sum over rows of dy x^,   dbeta = sum over rows of dy
//
// Operands: x [M, D], dy [M, D], skip [M, D] (gradient from a skip connection; if has_skip), gamma [D],
// stats [M] = (mean, rstd), dx [M, D].
// Constants: LANES, lanes that share a row (lib/row_sum.wgsl).
@compute @workgroup_size(ROW_GROUP)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let first = lane % LANES;
    let inside = row < params.rows;
    let width = select(0u, (params.cols + 3u) / 4u, inside);
    let stat = stats[min(row, params.rows - 1u)];

    // Padding channels of gamma are zero, and so is g there.
    var sums = vec2(0.0);
    for (var c = first; c < width; c += LANES) {
        let g = dy_at(row, c) * gamma_at(c);
        sums += vec2(dot(g, vec4(1.0)), dot(g, (x_at(row, c) - stat.x) * stat.y));
    }
    let means = row_sum(lane, sums) / f32(params.cols);

    for (var c = first; c < width; c += LANES) {
        let normal = (x_at(row, c) - stat.x) * stat.y;
        var dx = stat.y * (dy_at(row, c) * gamma_at(c) - means.x - normal * means.y);
        if at_run_time(params.has_skip, lane) != 0u { dx += skip_at(row, c); }
        set_dx(row, c, select(vec4(0.0), dx, channels(c, params.cols)));
    }
}
