// Multiplications and additions on registers alone: two vec4s a thread, eight sums of which none waits for another. What bounds
// every kernel whose work is arithmetic. A round is 16 x 2 x 4 multiply-adds, written out: more vec4s spill on processors, and of a
// loop that short drivers count more than they compute (in GFLOP/s on two cores, twelve vec4s once a round against this: lavapipe 82
// and 137, SwiftShader 10 and 58). Real is f32, or f16 where a device grants that: see the host.
// Operands: out [threads], in vec4s.
@compute @workgroup_size(64)
fn multiply_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.threads { return; }
    let m = vec4(Real(params.factor));
    let c = vec4(Real(params.term));
    var a = vec4(Real(lane)) + vec4<Real>(0.0, 0.25, 0.5, 0.75);
    var b = a + 1.0;
    let rounds = at_run_time(params.rounds, lane);
    for (var round = 0u; round < rounds; round += 1u) {
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
        a = fma(a, m, c); b = fma(b, m, c);
    }
    out[i] = vec4<f32>(a + b);
}
