// Dropout with inverted scaling (Srivastava et al., 2014), plus an optional residual:
//   word = pcg4d(row ceil(D / 4) + c / 4, site, step, seed)[c % 4],   y_c = residual_c + (word >= threshold ? scale x_c : 0)
//
// The mask depends only on its counters, so the gradient is the same kernel on dy.
//
// Operands: x [M, D], residual [M, D] (if has_residual), state (lib/train_state.wgsl), y [M, D].
// Constants: LANES, threads that share a row.
@compute @workgroup_size(64)
fn dropout(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group_number(group, groups) * (64u / LANES) + lane / LANES;
    if row >= params.rows { return; }
    let width = at_run_time(params.width, lane);
    let step = state[STATE_STEP];
    let seed = state[STATE_SEED];
    for (var c = lane % LANES; c < width; c += LANES) {
        let words = pcg4d(vec4(row * params.width + c, params.site, step, seed));
        var y = select(vec4(0.0), params.scale * x_at(row, c), words >= vec4(params.threshold));
        if at_run_time(params.has_residual, lane) != 0u { y += residual_at(row, c); }
        set_y(row, c, y);
    }
}
