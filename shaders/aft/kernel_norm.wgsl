// The re-parameterisation of AFT-conv's kernel (Zhai et al. 2021, Eq. 8), head by head:
//   tap = gamma (raw - mean raw) / std raw + beta
// with the population's standard deviation over the taps of the head. Where it is 0 the normalised kernel is 0: tap = beta.
//
// A thread owns a head. Operands: raw [H, S], gamma, beta [H], taps [H, S], rows padded to whole vec4s with zeros.
@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group_number(group, groups) * 64u + lane;
    if head >= params.heads { return; }
    let width = (at_run_time(params.tap_count, lane) + 3u) / 4u;
    let moments = moments_of(head, width);
    let gamma = gamma_at(head / 4u)[head % 4u];
    let beta = beta_at(head / 4u)[head % 4u];
    for (var i = 0u; i < width; i += 1u) {
        let tap = gamma * normal(head * width + i, i, moments) + beta;
        taps[head * width + i] = select(vec4(0.0), tap, channels(i, params.tap_count));
    }
}
