// Multiply-adds in registers only: the ceiling of kernels that are bound by arithmetic. Two vec4s a thread give eight independent
// sums. A round is 16 x 2 x 4 multiply-adds, unrolled by hand: more vec4s spill on CPUs, and in shorter loops drivers spend more
// time on loop control than on arithmetic (GFLOP/s on two cores, twelve vec4s once a round against this: lavapipe 82 and 137,
// SwiftShader 10 and 58). Real is f32, or f16 where the device grants it.
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
