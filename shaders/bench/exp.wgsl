// Exponentials in registers only: two independent vec4s a thread. A round is 4 x 2 x 4 exponentials, unrolled as in fma.wgsl;
// a -> e^(term - a) stays near its fixed point.
// Operands: out [threads], in vec4s.
@compute @workgroup_size(64)
fn exponentials(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.threads { return; }
    let c = vec4(params.term);
    var a = vec4(f32(lane)) * 0.01;
    var b = a + 0.1;
    let rounds = at_run_time(params.rounds, lane);
    for (var round = 0u; round < rounds; round += 1u) {
        a = exp(c - a); b = exp(c - b);
        a = exp(c - a); b = exp(c - b);
        a = exp(c - a); b = exp(c - b);
        a = exp(c - a); b = exp(c - b);
    }
    out[i] = a + b;
}
