// Layer normalisation (Ba, Kiros and Hinton 2016) over the channels of a row:
//   mean = sum_d x_d / D,  rstd = 1 / sqrt(sum_d (x_d - mean)^2 / D + eps),  y_d = gamma_d (x_d - mean) rstd + beta_d
//
// Operands: x [M, D], gamma [D], beta [D], y [M, D], stats [M] = (mean, rstd).
// Constants: LANES, lanes that share a row (lib/row_sum.wgsl).
// Padding channels (past D) of gamma and beta are zero, and so is y there.
// Largest magnitude with accurate rows, and the smallest normal number.
const LARGEST: f32 = 1e30;
const SMALLEST: f32 = 1.17549435e-38;

@compute @workgroup_size(ROW_GROUP)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let first = lane % LANES;
    let inside = row < params.rows;
    let width = select(0u, (params.cols + 3u) / 4u, inside);

    // Padding channels of x are zero, so they may be added.
    var sums = vec2(0.0);
    for (var c = first; c < width; c += LANES) {
        let x = x_at(row, c);
        sums += vec2(dot(x, vec4(1.0)), dot(abs(x), vec4(1.0)));
    }
    let means = row_sum(lane, sums) / f32(params.cols);
    let mean = means.x;

    // Scale by a power of two near the mean magnitude: exact, and squares do not overflow.
    let scale = 1.0 / bitcast<f32>(bitcast<u32>(clamp(means.y, 1.0, LARGEST)) & 0x7f800000u);

    var square = 0.0;
    for (var c = first; c < width; c += LANES) {
        let centred = select(vec4(0.0), x_at(row, c) - mean, channels(c, params.cols));
        let small = scale * centred;
        square += dot(small, small);
    }
    let variance = row_sum(lane, vec2(square, 0.0)).x / f32(params.cols) + params.eps * scale * scale;
    let rstd = scale * inverseSqrt(max(variance, SMALLEST));

    for (var c = first; c < width; c += LANES) {
        set_y(row, c, gamma_at(c) * ((x_at(row, c) - mean) * rstd) + beta_at(c));
    }
    if inside && first == 0u { stats[row] = vec2(mean, rstd); }
}
